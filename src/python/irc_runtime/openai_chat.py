"""OpenAI, and everything that speaks its chat completions: the official client.

The library is imported when a client is made: it costs a second, which tests do not pay.
"""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from irc_runtime import provider_errors
from irc_runtime.chat import Message, OnText, Reply, ToolCall, Turn, Usage
from irc_runtime.errors import AgentError, LoadError, ModelError
from irc_runtime.pools import Pools
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.structured import response_format

if TYPE_CHECKING:
    import openai

#: What is sent as the key to servers of one's own that want none.
NO_KEY = "none"


def _http_client(**options: Any) -> Any:
    import openai

    return openai.DefaultAsyncHttpxClient(**options)


POOLS = Pools(_http_client)


class OpenAIChat:
    """A client for one endpoint.

    The key comes from ``OPENAI_API_KEY``. It may be missing where the endpoint is one's own: named
    in the flow, or by ``OPENAI_BASE_URL``. Retries and timeouts are the node's, not the client's.

    Raises:
        LoadError: there is no key.
    """

    def __init__(self, model: ChatModel) -> None:
        connect = self.client_of(model)
        self._pool = POOLS.take()
        self._client = connect(http_client=self._pool.http)

    def client_of(self, model: ChatModel) -> "Callable[..., openai.AsyncOpenAI]":
        """What makes the official client for the model's endpoint, of an ``http_client``."""
        import openai

        key = os.environ.get("OPENAI_API_KEY")
        if not key and not model.endpoint and not os.environ.get("OPENAI_BASE_URL"):
            raise LoadError(f"model '{model.name}' needs the environment variable OPENAI_API_KEY")
        return partial(
            openai.AsyncOpenAI, api_key=key or NO_KEY, base_url=model.endpoint, max_retries=0
        )

    async def ask(
        self, prompt: Prompt, conversation: Sequence[Turn], on_text: OnText | None = None
    ) -> Reply:
        """The model's next turn; see ``ChatClient``."""
        import openai

        pool = POOLS.here(self._pool)
        if pool is not self._pool:
            self._pool, self._client = pool, self._client.copy(http_client=pool.http)
        try:
            if prompt.stream:
                answer = await self._streamed(prompt, conversation, on_text)
            else:
                answer = _whole(await self._create(prompt, conversation))
            return reply_of(answer, structured=prompt.output_schema is not None)
        except openai.APIError as error:
            raise model_error(error) from error
        except provider_errors.UNREADABLE as error:
            raise provider_errors.garbage() from error

    async def _create(self, prompt: Prompt, conversation: Sequence[Turn], **options: Any) -> Any:
        if prompt.temperature is not None:
            options["temperature"] = prompt.temperature
        if prompt.max_tokens is not None:
            options["max_tokens"] = prompt.max_tokens
        if prompt.output_schema is not None:
            options["response_format"] = response_format(prompt.node, prompt.output_schema)
        if prompt.tools:
            options["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        **({"description": tool.description} if tool.description else {}),
                        "parameters": tool.parameters.schema,
                    },
                }
                for tool in prompt.tools
            ]
        messages: Any = [message for turn in conversation for message in _messages(turn)]
        return await self._client.chat.completions.create(
            model=prompt.model.name, messages=messages, **options
        )

    async def _streamed(
        self, prompt: Prompt, conversation: Sequence[Turn], on_text: OnText | None
    ) -> "Answer":
        stream = await self._create(
            prompt, conversation, stream=True, stream_options={"include_usage": True}
        )
        answer = Answer()
        async with stream:
            await _gather(stream, answer, on_text)
        return answer

    async def close(self) -> None:
        """Leave the pool."""
        await POOLS.give_back(self._pool)


@dataclass(slots=True)
class Answer:
    """What of a completion matters; a stream fills it piece by piece."""

    content: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    usage: Usage | None = None


def _whole(completion: Any) -> Answer:
    """A completion that came in one piece.

    Raises:
        ModelError: what the server sent is none.
    """
    choices = getattr(completion, "choices", None) or [None]
    message = getattr(choices[0], "message", None)
    if message is None:
        raise ModelError("the model's server sent no completion", retryable=True)
    answer = Answer(message.content or "", message.refusal or "")
    answer.finish_reason = choices[0].finish_reason or "stop"
    answer.usage = _usage(completion.usage)
    for index, call in enumerate(message.tool_calls or ()):
        if call.type == "function":
            function = call.function
            answer.calls[index] = {
                "id": call.id, "name": function.name, "arguments": function.arguments
            }  # fmt: skip
    return answer


async def _gather(chunks: AsyncIterator[Any], answer: Answer, on_text: OnText | None) -> None:
    """Put the chunks of a stream together."""
    async for chunk in chunks:
        answer.usage = _usage(chunk.usage) or answer.usage
        for choice in chunk.choices or ():
            answer.finish_reason = choice.finish_reason or answer.finish_reason
            delta = choice.delta
            if delta is None:
                continue
            answer.refusal += delta.refusal or ""
            if delta.content:
                answer.content += delta.content
                if on_text is not None:
                    on_text(delta.content)
            for part in delta.tool_calls or ():
                call = answer.calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = part.id or call["id"]
                if part.function is not None:
                    call["name"] += part.function.name or ""
                    call["arguments"] += part.function.arguments or ""


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)


def reply_of(answer: Answer, *, structured: bool) -> Reply:
    """The model's turn.

    Raises:
        ModelError: a stream ended before the answer did.
    """
    if answer.finish_reason is None and not answer.refusal:
        raise provider_errors.broken_off()
    calls = tuple(ToolCall(**call) for _, call in sorted(answer.calls.items()))
    is_cut = answer.finish_reason == "length"
    problem = None
    if answer.refusal:
        problem = provider_errors.REFUSED
    elif answer.finish_reason == "content_filter":
        problem = provider_errors.HELD_BACK
    elif is_cut and (structured or calls):
        problem = provider_errors.CUT_OFF
    elif not answer.content and not calls:
        problem = provider_errors.EMPTY
    turn: dict[str, Any] = {"role": "assistant", "content": answer.content or None}
    if calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    return Reply(answer.content, calls, answer.usage, turn, problem, is_cut, answer.finish_reason)


def _messages(turn: Turn) -> list[dict[str, Any]]:
    """A turn as messages of the protocol."""
    if isinstance(turn, Message):
        return [{"role": turn.role, "content": turn.text}]
    if isinstance(turn, Reply):
        return [turn.turn]
    return [
        {"role": "tool", "tool_call_id": result.call.id, "content": result.text} for result in turn
    ]


def model_error(error: "openai.APIError") -> AgentError:
    """The client's exception as ours."""
    import openai

    if isinstance(error.__cause__, ModelError):  # raised while the body was read
        return error.__cause__
    if isinstance(error, openai.APITimeoutError):
        return provider_errors.too_late()
    if isinstance(error, openai.APIConnectionError):
        return provider_errors.unreachable()
    if isinstance(error, openai.APIStatusError):
        code = error.code if isinstance(error.code, str) else None
        if code == "content_filter":  # of Azure, with status 400
            return provider_errors.filtered()
        return provider_errors.status_error(error.status_code, code, error.response.headers)
    return provider_errors.garbage()
