"""An agent of one node that streams, as the compiler writes it."""

from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.models import ChatModels
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel, Prompt

SAY_PROMPT = Prompt(
    node="say", template="{{ query }}", model=ChatModel("openai", "gpt-test"), stream=True
)


class TalkingAgent(Agent):
    """Says what the model says."""

    name = "talking"
    source = "flow.yaml"
    requires = ("query",)

    models: ChatModels

    def load(self) -> bool:
        """Connect what the nodes use."""
        self.models = ChatModels(SAY_PROMPT, openai=OpenAIChat)
        return super().load()

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the one node."""
        say = await self.say({"query": request["query"]}, ctx)
        return {"text": say["text"]}

    @node(Node("say", line=5, timeout_s=30.0, attempts=2, backoff_s=0.0))
    async def say(self, inputs: Inputs, ctx: Context) -> Outputs:
        """The node say."""
        answer = await self.models.complete(SAY_PROMPT, inputs, ctx)
        return {"text": answer}


if __name__ == "__main__":
    from irc_runtime.serving import serve

    serve(TalkingAgent())
