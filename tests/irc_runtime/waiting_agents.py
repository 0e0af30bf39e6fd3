"""Agents that take the time that they are told to, and keep a journal of what they did.

``python -m tests.irc_runtime.waiting_agents``, where ``AGENT`` is ``patient`` or ``counting`` and
``JOURNAL`` is the journal's file. A line is ``begun KEY``, ``done KEY`` or ``cancelled KEY``.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.tracing import outgoing


def write(word: str, key: str) -> None:
    """Add a line to the journal, whole also where several processes write."""
    with open(os.environ["JOURNAL"], "ab", buffering=0) as journal:
        journal.write(f"{word} {key}\n".encode())


@contextmanager
def journal(key: str) -> Iterator[None]:
    """Write down that the block began, and how it ended."""
    write("begun", key)
    try:
        yield
    except asyncio.CancelledError:
        write("cancelled", key)
        raise
    write("done", key)


def block(seconds: float) -> None:
    """Stop the event loop, as code does that computes."""
    time.sleep(seconds)


class PatientAgent(Agent):
    """Waits, or blocks the event loop, and says what it knows of the request."""

    name = "patient"
    source = "flow.yaml"
    requires = ("key",)
    optional = ("wait_s", "block_s", "unspeakable")

    def load(self) -> bool:
        """Wait for as long as the file that ``HOLD`` names exists; fail where that of ``BROKEN`` does."""
        write("loading", self.name)
        while os.path.exists(os.environ.get("HOLD", "")):
            time.sleep(0.01)
        if os.path.exists(os.environ.get("BROKEN", "")):
            raise ValueError("secret of the flow")
        return super().load()

    async def close(self) -> None:
        """Write down that the end has come."""
        await super().close()
        write("closed", self.name)

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the one node; JSON has no way to say a class."""
        if request.get("unspeakable"):
            return {"secret": PatientAgent}
        return await self.step(request, ctx)

    @node(Node("step", line=5, timeout_s=120.0))
    async def step(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Wait."""
        loop = asyncio.get_running_loop()
        left_s = None if ctx.deadline is None else round(ctx.deadline - loop.time(), 3)
        with journal(inputs["key"]):
            block(inputs.get("block_s") or 0)
            await asyncio.sleep(inputs.get("wait_s") or 0)
        return {
            "key": inputs["key"],
            "trace_id": ctx.trace_id,
            "left_s": left_s,
            "pid": os.getpid(),
            "loop": type(loop).__module__,
            "outgoing": outgoing(),
        }


class CountingAgent(Agent):
    """Counts the turns of a session in Redis, and takes its time in each."""

    name = "counting"
    source = "flow.yaml"
    requires = ("session_id", "key")
    optional = ("wait_s",)

    states: StateStore

    def load(self) -> bool:
        """Connect what the node uses."""
        from irc_runtime.state.redis import RedisBackend

        self.states = StateStore(redis=RedisBackend(self.name))
        return super().load()

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the one node."""
        return await self.count(request, ctx)

    @node(
        Node(
            "count",
            line=5,
            timeout_s=120.0,
            state=StateSpec(scope="session", key="{session_id}", backend="redis"),
        )
    )
    async def count(self, inputs: Inputs, ctx: Context, state: State) -> Outputs:
        """Add one."""
        with journal(inputs["key"]):
            turn = await state.get("turn", 0) + 1
            await state.set("turn", turn)
            await asyncio.sleep(inputs.get("wait_s") or 0)
        return {"turn": turn, "pid": os.getpid()}


if __name__ == "__main__":
    from irc_runtime.serving import serve

    agents: dict[str, type[Agent]] = {"patient": PatientAgent, "counting": CountingAgent}
    serve(agents[os.environ["AGENT"]]())
