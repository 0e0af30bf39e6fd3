"""An agent that counts the turns of sessions in Redis, and writes rows to a feature store.

``python -m tests.irc_runtime.ledger_agent``; ``REDIS_URL`` and ``IRC_FEATURES`` say where, and what is not
set is not used.
"""

import asyncio
import os
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.features import FeatureStore, FeatureWrite, connect_features
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.state import State, StateSpec, StateStore

SCORES = FeatureWrite("scores")

#: Seconds for which a key is held by a process that does nothing.
LEASE_S = 1.0


class LedgerAgent(Agent):
    """A request is a turn of a session, or a row."""

    name = "ledger"
    source = "flow.yaml"
    optional = ("session_id", "wait_s", "number")

    rows: int
    states: StateStore
    features: FeatureStore

    def load(self) -> bool:
        """Connect what the nodes use."""
        self.rows = 0
        if "REDIS_URL" in os.environ:
            from irc_runtime.state.redis import RedisBackend

            self.states = StateStore(redis=RedisBackend(self.name, LEASE_S))
        if "IRC_FEATURES" in os.environ:
            self.features = connect_features(SCORES)
        return super().load()

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the one node that the request is for; one for none says how many rows were asked for."""
        if "session_id" in request:
            return await self.count(request, ctx)
        if "number" in request:
            self.rows += 1
            return await self.record(request, ctx)
        return {"rows": self.rows}

    @node(
        Node(
            "count",
            line=5,
            timeout_s=60.0,
            attempts=20,
            backoff_s=0.1,
            state=StateSpec(scope="session", key="{session_id}", backend="redis"),
        )
    )
    async def count(self, inputs: Inputs, ctx: Context, state: State) -> Outputs:
        """Add one."""
        turn = await state.get("turn", 0) + 1
        await state.set("turn", turn)
        await asyncio.sleep(inputs.get("wait_s") or 0)
        return {"turn": turn, "pid": os.getpid()}

    @node(Node("record", line=20, attempts=3, backoff_s=0.0))
    async def record(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Write a row."""
        row = {"customer_no": inputs["number"], "score": 0.5}
        return {"kept": await self.features.write(SCORES, row, event_time="2024-06-01")}


if __name__ == "__main__":
    from irc_runtime.serving import serve

    serve(LedgerAgent())
