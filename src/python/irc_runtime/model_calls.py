"""What is measured of a call of a model: its span, by GenAI's conventions, tokens and first token.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/. What is said is no part of it.
"""

from contextlib import AbstractContextManager
from time import perf_counter
from types import TracebackType
from typing import Self

from irc_runtime import tracing
from irc_runtime.chat import OnText, Reply
from irc_runtime.context import Context
from irc_runtime.metrics import FIRST_TOKEN, REQUEST_FIRST_TOKEN, TOKENS, observe
from irc_runtime.prompt import Prompt
from irc_runtime.tracing import Attributes, Span

#: Providers as the conventions call them.
PROVIDERS = {"azure": "azure.ai.openai", "bedrock": "aws.bedrock"}


class ModelCall:
    """One call of a model, which happens in the block."""

    __slots__ = ("_block", "_context", "_heard", "_prompt", "_span", "_started")

    def __init__(self, prompt: Prompt, context: Context) -> None:
        self._prompt = prompt
        self._context = context
        self._heard = False
        self._block: AbstractContextManager[Span] = tracing.NO_SPAN
        if tracing.tracer is not None:  # as the attributes are not made for nothing
            name = f"chat {prompt.model.name}"
            self._block = tracing.span(name, "client", _attributes(prompt))

    def __enter__(self) -> Self:
        self._started = perf_counter()
        self._span = self._block.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.__exit__(kind, error, traceback)

    def listener(self, on_text: OnText | None) -> OnText | None:
        """What hears an answer's pieces in the place of another."""
        if on_text is None:
            return None

        def hear(text: str) -> None:
            if text and not self._heard:
                self._heard = True
                self._first_token(perf_counter() - self._started)
            on_text(text)

        return hear

    def answered(self, reply: Reply) -> None:
        """Count what the answer cost."""
        usage, span = reply.usage, self._span
        if usage is not None:
            agent = self._context.served_by
            if agent is not None:
                row = agent.metrics.nodes[self._prompt.node]
                row[TOKENS["input"]] += usage.input_tokens
                row[TOKENS["output"]] += usage.output_tokens
            span.set_attribute("gen_ai.usage.input_tokens", usage.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        if reply.finish_reason is not None:
            span.set_attribute("gen_ai.response.finish_reasons", [reply.finish_reason])

    def _first_token(self, seconds: float) -> None:
        self._span.set_attribute("gen_ai.response.time_to_first_chunk", seconds)
        context = self._context
        if context.served_by is not None:
            metrics = context.served_by.metrics
            observe(metrics.nodes[self._prompt.node], FIRST_TOKEN, seconds)
            if context.tokens is not None and context.tokens.is_silent:
                observe(metrics.requests, REQUEST_FIRST_TOKEN, context.tokens.age_s)


def _attributes(prompt: Prompt) -> Attributes:
    model = prompt.model
    attributes: dict[str, str | int | float] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(model.provider, model.provider),
        "gen_ai.request.model": model.name,
        "gen_ai.output.type": "text" if prompt.output_schema is None else "json",
        "irc.node": prompt.node,
    }
    if prompt.temperature is not None:
        attributes["gen_ai.request.temperature"] = prompt.temperature
    if prompt.max_tokens is not None:
        attributes["gen_ai.request.max_tokens"] = prompt.max_tokens
    if prompt.stream:
        attributes["gen_ai.request.stream"] = True
    return attributes
