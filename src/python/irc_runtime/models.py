"""The models that a flow's prompts ask: one client for each provider and endpoint."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from irc_runtime.context import Context
from irc_runtime.errors import LoadError
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.state import State
from irc_runtime.structured import read_answer


class ChatClient(Protocol):
    """A connection to one provider."""

    async def ask(self, prompt: Prompt, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's answer as text.

        Raises:
            ModelError: there is none.
            ValidationFailedError: there is one that cannot be used: refused, empty or cut off.
        """

    async def close(self) -> None:
        """Give back connections."""


def _openai(model: ChatModel) -> ChatClient:
    from irc_runtime.openai_chat import OpenAIChat

    return OpenAIChat(model)


#: Makes the client of a provider; it is imported only where a flow asks for it.
PROVIDERS: Mapping[str, Callable[[ChatModel], ChatClient]] = {"openai": _openai}


class ChatModels:
    """All models of an agent.

    Args:
        prompts: every prompt of the flow; their templates and clients are made here, at load.
    Raises:
        LoadError: a provider is unknown, or a client lacks its configuration.
    """

    def __init__(self, *prompts: Prompt) -> None:
        self._clients: dict[tuple[str, str | None], ChatClient] = {}
        for prompt in prompts:
            prompt.compile()
            self._connect(prompt)

    def _connect(self, prompt: Prompt) -> None:
        model = prompt.model
        if (model.provider, model.endpoint) in self._clients:
            return
        if model.provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            raise LoadError(
                f"prompt '{prompt.node}': unknown provider '{model.provider}'; there is {known}"
            )
        try:
            client = PROVIDERS[model.provider](model)
        except LoadError as error:
            raise LoadError(f"prompt '{prompt.node}': {error.reason}") from error
        self._clients[model.provider, model.endpoint] = client

    async def complete(
        self,
        prompt: Prompt,
        inputs: Mapping[str, Any],
        context: Context,
        state: State | None = None,
    ) -> Any:
        """Ask, and give the answer: text, or with an output schema the value.

        Raises:
            PromptError: a template reads what is not there.
            ModelError: the model did not answer.
            ValidationFailedError: the answer does not fit the schema.
        """
        text = await self.ask(prompt, prompt.messages(inputs, context, state))
        return read_answer(text, prompt.output_schema)

    async def ask(self, prompt: Prompt, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's raw answer."""
        client = self._clients[prompt.model.provider, prompt.model.endpoint]
        return await client.ask(prompt, messages)

    async def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            await client.close()
