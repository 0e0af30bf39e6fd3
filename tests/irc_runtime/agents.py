"""Small agents for the runtime's tests."""

from collections.abc import Callable, Coroutine
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.state import StateStore

AnyBody = Callable[..., Coroutine[Any, Any, Outputs]]


def agent_of(
    settings: Node, body: AnyBody, states: StateStore | None = None, **attributes: Any
) -> Agent:
    """A loaded agent of one node, which gets the request as its inputs and gives the response."""

    async def run(self: Any, request: Inputs, ctx: Context) -> Any:
        return await self.nodes[settings.id](self, request, ctx)

    async def method(agent: Any, inputs: Inputs, context: Context, *state: Any) -> Outputs:
        return await body(agent, inputs, context, *state)

    members = {settings.id: node(settings)(method), "run": run, "source": "flow.yaml", **attributes}
    agent: Any = type("OneNodeAgent", (Agent,), members)()
    agent.states = states or StateStore()
    agent.load()
    return agent  # type: ignore[no-any-return]  # type() gives Any


class Failing:
    """A body that raises the given failures one after the other, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self, agent: Agent, inputs: Inputs, context: Context) -> Outputs:
        """Run an attempt."""
        self.calls += 1
        if self.calls <= len(self.failures):
            raise self.failures[self.calls - 1]
        return {"call": self.calls}
