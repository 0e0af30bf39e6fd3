"""The models that a flow's prompts ask: one client for each provider and endpoint."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from irc_runtime.chat import ChatClient, Message, Reply, Turn
from irc_runtime.content import ContentLog
from irc_runtime.context import Context
from irc_runtime.errors import LoadError, ModelError, ValidationFailedError
from irc_runtime.events import WARNING, event
from irc_runtime.model_calls import ModelCall
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.state import State
from irc_runtime.streaming import muted
from irc_runtime.structured import read_answer
from irc_runtime.tools import run_calls
from irc_runtime.usage import report_usage

if TYPE_CHECKING:
    from irc_runtime.agent import Agent

#: What the model is told, once, when its answer cannot be used.
CORRECTION = "That cannot be used: {problem}. Answer again, with JSON of the schema alone."


class ChatModels:
    """All models of an agent.

    Args:
        prompts: every prompt of the flow; their templates and clients are made here, at load.
        providers: what makes the client of each provider that the flow uses, by the provider's
            name. The generated module imports them, so that an agent carries no other.
    Raises:
        LoadError: a provider is unknown, or a client lacks its configuration.
    """

    def __init__(self, *prompts: Prompt, **providers: Callable[[ChatModel], ChatClient]) -> None:
        self._clients: dict[tuple[str, str | None], ChatClient] = {}
        self._content = ContentLog()
        for prompt in prompts:
            prompt.compile()
            self._connect(prompt, providers)

    def _connect(
        self, prompt: Prompt, providers: Mapping[str, Callable[[ChatModel], ChatClient]]
    ) -> None:
        model = prompt.model
        if (model.provider, model.endpoint) in self._clients:
            return
        if model.provider not in providers:
            known = ", ".join(providers) or "none"
            raise LoadError(
                f"prompt '{prompt.node}': unknown provider '{model.provider}'; there is {known}"
            )
        try:
            client = providers[model.provider](model)
        except LoadError as error:
            raise LoadError(f"prompt '{prompt.node}': {error.reason}") from error
        except Exception as error:  # noqa: BLE001  # libraries have types of their own, and quote addresses
            kind = type(error).__name__
            raise LoadError(
                f"prompt '{prompt.node}': there is no client of '{model.provider}' ({kind}); is its"
                " address well-formed?"
            ) from None
        self._clients[model.provider, model.endpoint] = client

    async def complete(
        self,
        prompt: Prompt,
        inputs: Mapping[str, Any],
        context: Context,
        state: State | None = None,
        *,
        agent: "Agent | None" = None,
    ) -> Any:
        """Ask, and give the answer: text, or with an output schema the value.

        The model may call tools first. An answer that is not JSON of the schema is asked for once
        more, in the same conversation.

        Args:
            agent: whose nodes are the prompt's tools; needed where it has some.
        Raises:
            PromptError: a template reads what is not there.
            ModelError: the model did not answer, or called tools in more rounds than it may.
            ValidationFailedError: the answer does not fit the schema.
        """
        conversation: list[Turn] = [*prompt.messages(inputs, context, state)]
        rounds, corrected = 0, False
        while True:
            reply = await self._ask(prompt, conversation, context)
            if reply.calls:
                if rounds == prompt.max_tool_rounds:
                    raise ModelError(
                        f"the model called tools in more than {rounds} rounds", retryable=False
                    )
                rounds += 1
                assert agent is not None  # it is given where there are tools
                results = await run_calls(prompt.tools, reply.calls, agent, context)
                conversation += [reply, results]
                continue
            try:
                return read_answer(reply.text, prompt.output_schema)
            except ValidationFailedError as error:
                if corrected:
                    raise
                corrected = True
                correction = CORRECTION.format(problem=error.reason)
                conversation += [reply, Message("user", correction)]

    async def _ask(self, prompt: Prompt, conversation: Sequence[Turn], context: Context) -> Reply:
        """The model's next turn; heard by the request's listener, and counted.

        Raises:
            ValidationFailedError: it is of no use.
        """
        on_text = None
        if prompt.stream and context.tokens is not None and not muted.get():
            on_text = context.tokens.speaker(prompt.node)
        with ModelCall(prompt, context) as call:
            self._content.asked(prompt, conversation, context)
            reply = await self.ask(prompt, conversation, call.listener(on_text))
            call.answered(reply)
            report_usage(prompt, reply.usage, context)
            self._content.answered(prompt, reply, context)
            if reply.problem is not None:
                raise ValidationFailedError(reply.problem)
        if reply.is_cut:
            event(
                WARNING,
                "answer_cut",
                trace_id=context.trace_id,
                node=prompt.node,
                location=context.location(prompt.node),
            )
        return reply

    async def ask(
        self,
        prompt: Prompt,
        conversation: Sequence[Turn],
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """The model's next turn, from the client of its endpoint."""
        client = self._clients[prompt.model.provider, prompt.model.endpoint]
        return await client.ask(prompt, conversation, on_text)

    async def close(self) -> None:
        """Close every client."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()
