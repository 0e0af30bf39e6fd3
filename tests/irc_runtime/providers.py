"""The real clients of all providers, each with a stand-in that speaks its protocol."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from irc_runtime.anthropic_chat import AnthropicChat
from irc_runtime.azure_chat import AzureChat
from irc_runtime.bedrock_chat import BedrockChat
from irc_runtime.chat import ChatClient
from irc_runtime.context import Context
from irc_runtime.models import ChatModels
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from irc_runtime.streaming import TokenSink, TokenStream
from irc_runtime.tools import Tool
from tests.irc_runtime.agents import agent_of
from tests.standins.anthropic_server import AnthropicServer
from tests.standins.bedrock_server import BedrockServer
from tests.standins.openai_server import OpenAIServer

STRICT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
}
LOOSE = {"type": "object", "required": ["text"], "properties": {"text": {"maxLength": 9}}}
VARIABLES = {
    "OPENAI_API_KEY": "k", "AZURE_OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k",
    "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "k", "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}  # fmt: skip


#: Why answers end early: at the limit of tokens, and by a filter or the model's own will.
STOPS = {
    "openai": ("length", "content_filter"), "azure": ("length", "content_filter"),
    "anthropic": ("max_tokens", "refusal"), "bedrock": ("max_tokens", "guardrail_intervened"),
}  # fmt: skip


@dataclass(frozen=True)
class Provider:
    """One provider: its client, its stand-in, and where that listens."""

    name: str
    client: Callable[[ChatModel], ChatClient]
    server: Callable[[], AbstractContextManager[Any]]
    endpoint: Callable[[Any], str]
    variable: str
    #: The errors after which a stream breaks off that another attempt can mend.
    overloaded: str


PROVIDERS = [
    Provider("openai", OpenAIChat, OpenAIServer, lambda s: s.base_url, "OPENAI_API_KEY", "x"),
    Provider(
        "azure", AzureChat, OpenAIServer, lambda s: s.base_url.removesuffix("/v1"),
        "AZURE_OPENAI_API_KEY", "x",
    ),
    Provider(
        "anthropic", AnthropicChat, AnthropicServer, lambda s: s.url,
        "ANTHROPIC_API_KEY", "overloaded_error",
    ),
    Provider(
        "bedrock", BedrockChat, BedrockServer, lambda s: s.url,
        "AWS_ACCESS_KEY_ID", "throttlingException",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A provider whose stand-in listens."""

    provider: Provider
    server: Any

    @property
    def bodies(self) -> list[Any]:
        return [request.body for request in self.server.requests]

    def prompt(self, **options: Any) -> Prompt:
        endpoint = self.provider.endpoint(self.server)
        model = ChatModel(self.provider.name, "some-model", endpoint)
        return Prompt("answer", "{{ query }}", model, system="Be brief.", **options)

    def complete(
        self,
        prompt: Prompt,
        stream: TokenStream | None = None,
        query: str = "secret",
        **tools: Any,
    ) -> Any:
        """One completion; keywords are bodies of nodes that are tools."""

        async def main() -> Any:
            models = ChatModels(prompt, **{self.provider.name: self.provider.client})
            context = Context({"user_id": "u1"})
            context.tokens = None if stream is None else TokenSink(stream)
            nodes = {name: node(Node(name, timeout_s=5))(body) for name, body in tools.items()}
            agent = agent_of(Node("other"), _nothing, None, **nodes)
            try:
                return await models.complete(prompt, {"query": query}, context, agent=agent)
            finally:
                await models.close()

        return asyncio.run(main())


async def _nothing(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    return {}


def heard(stream: TokenStream) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    while not stream._events.empty():
        event = stream._events.get_nowait()
        found.append((event.kind, event.data.get("text")))
    return found


def tool(name: str, **options: Any) -> Tool:
    parameters = Schema({"type": "object", "properties": {"day": {"type": "string"}}})
    return Tool(name, name, parameters, description="Does it.", takes=("day",), **options)
