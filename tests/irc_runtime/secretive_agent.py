"""An agent that uses every edge that takes a secret, as the compiler writes it."""

from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.anthropic_chat import AnthropicChat
from irc_runtime.azure_chat import AzureChat
from irc_runtime.bedrock_chat import BedrockChat
from irc_runtime.context import Context
from irc_runtime.environment import variable
from irc_runtime.features import FeatureRead, FeatureStore, connect_features
from irc_runtime.http import HttpClient
from irc_runtime.models import ChatModels
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.state.redis import RedisBackend

CUSTOMERS = FeatureRead("customers", kind="feature_view", version=3, key=("customer_id",))


def _prompt(provider: str, endpoint: str | None = None) -> Prompt:
    return Prompt(provider, "{{ query }}", ChatModel(provider, "m", endpoint))


class SecretiveAgent(Agent):
    """Runs the node that the request names."""

    name = "secretive"
    source = "flow.yaml"
    requires = ("node", "query")

    def load(self) -> bool:
        """Connect what the nodes use."""
        self.environment = {
            name: variable(name) for name in ("SHOP_URL", "SHOP_TOKEN", "BEDROCK_URL")
        }
        self.prompts = {
            "openai": _prompt("openai"),
            "azure": _prompt("azure"),
            "anthropic": _prompt("anthropic"),
            "bedrock": _prompt("bedrock", self.environment["BEDROCK_URL"]),
        }
        self.models = ChatModels(
            *self.prompts.values(),
            openai=OpenAIChat, azure=AzureChat, anthropic=AnthropicChat, bedrock=BedrockChat,
        )  # fmt: skip
        self.http = HttpClient(self.environment["SHOP_URL"])
        self.states = StateStore(redis=RedisBackend(self.name))
        self.features: FeatureStore = connect_features(CUSTOMERS)
        return super().load()

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the one node."""
        return await self.nodes[request["node"]](self, dict(request), ctx)

    @node(Node("ask", line=5, timeout_s=5.0, attempts=2, backoff_s=0.0))
    async def ask(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Ask the model of a provider."""
        return {"text": await self.models.complete(self.prompts[inputs["provider"]], inputs, ctx)}

    @node(Node("fetch", line=6, timeout_s=5.0, attempts=2, backoff_s=0.0))
    async def fetch(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Ask the shop."""
        token = self.environment["SHOP_TOKEN"] + inputs.get("token", "")
        headers = {"X-Token": token}
        url = f"{self.environment['SHOP_URL']}{inputs['path']}"
        return {"body": (await self.http.get(url, headers=headers)).body}

    @node(
        Node(
            "remember", line=7, timeout_s=5.0, attempts=2, backoff_s=0.0,
            state=StateSpec(scope="session", key="k", backend="redis"),
        )
    )  # fmt: skip
    async def remember(self, inputs: Inputs, ctx: Context, state: State) -> Outputs:
        """Keep the question."""
        await state.set("query", inputs["query"])
        return {"kept": True}

    @node(Node("read", line=8, timeout_s=5.0, attempts=2, backoff_s=0.0))
    async def read(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Read features."""
        return {"row": await self.features.read(CUSTOMERS, {"customer_id": "u1"})}


if __name__ == "__main__":
    from irc_runtime.serving import serve

    serve(SecretiveAgent())
