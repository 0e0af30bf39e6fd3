"""A flow of which parts fail: what its caller sees, and what is left behind."""

import ast
import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.branches import Branches
from irc_runtime.cache import CacheSpec
from irc_runtime.context import Context
from irc_runtime.errors import AgentError, CancelledWorkError, NodeError
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.virtual_time import run_virtually

HOURS_S = 8 * 3600.0


class Branching(Agent):
    """Keeps a note, and works on two branches side by side, of which one fails."""

    name = "branching"
    source = "flow.yaml"
    states: StateStore

    def load(self) -> bool:
        """Make ready."""
        self.states = StateStore()
        self.said: list[str] = []
        return super().load()

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run."""
        async with Branches() as branches:
            note_task = branches.start(self.note(request, ctx))
            slow_task = branches.start(self.slow({}, ctx))
            fast = await self.fast({}, ctx)
            slow = await slow_task
            note = await note_task
        return {**fast, **slow, **note}

    @node(Node("note", line=3, state=StateSpec("session", "{session_id}")))
    async def note(self, inputs: Inputs, ctx: Context, state: State) -> Outputs:
        """Count the session's requests."""
        turn = await state.get("turn", 0) + 1
        await state.set("turn", turn)
        return {"turn": turn}

    @node(Node("slow", line=5, timeout_s=60))
    async def slow(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Take nine seconds."""
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            self.said.append("slow cancelled")
            raise
        self.said.append("slow")
        return {"slow": True}

    @node(Node("fast", line=7, attempts=2, backoff_s=0))
    async def fast(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Fail after a second."""
        await asyncio.sleep(1)
        self.said.append("fast")
        raise ConnectionError("gone")


class Forgiving(Branching):
    """The same with an error handler."""

    async def handle_error(self, error: Outputs, request: Inputs, ctx: Context) -> Any:
        """Answer in the flow's place."""
        self.said.append("handled")
        return {"failed": error["node"]}


class Routed(Branching):
    """The same where the failure goes to an edge."""

    fast = node(Node("fast", line=7, error_port="error"))(vars(Branching.fast)["body"])


def asked(agent: Any, headers: Mapping[str, str] | None = None) -> tuple[Any, float]:
    """The answer or the failure, and when it came; nothing of the request may be left running."""

    async def main() -> tuple[Any, float]:
        agent.load()
        answer: Any
        try:
            answer = await agent.predict({"session_id": "s"}, headers)
        except AgentError as error:
            answer = error
        assert asyncio.all_tasks() == {asyncio.current_task()}
        kept = await agent.nodes["note"](agent, {}, Context({"session_id": "s"}))
        assert kept == {"turn": 2}  # what was done is neither lost nor done twice
        return answer, asyncio.get_running_loop().time()

    return run_virtually(main())


def test_one_of_several_branches_fails() -> None:
    agent = Branching()
    error, at_s = asked(agent)
    assert isinstance(error, NodeError)
    assert (error.node, error.status, error.attempts, at_s) == ("fast", 500, 2, 2)
    assert agent.said == ["fast", "fast", "slow cancelled"]


def test_the_handler_answers_when_the_other_branches_have_ended() -> None:
    agent = Forgiving()
    assert asked(agent) == ({"failed": "fast"}, 2)
    assert agent.said == ["fast", "fast", "slow cancelled", "handled"]


def test_a_failure_with_an_edge_leaves_the_other_branches_alone() -> None:
    agent = Routed()
    answer, at_s = asked(agent)
    assert (answer["error"]["node"], answer["slow"], answer["turn"], at_s) == ("fast", True, 1, 9)
    assert agent.said == ["fast", "slow"]


def test_the_deadline_ends_all_branches() -> None:
    class Waiting(Branching):
        @node(Node("fast", line=7, attempts=9))
        async def fast(self, inputs: Inputs, ctx: Context) -> Outputs:
            await asyncio.sleep(20)
            return {}

    agent = Waiting()
    error, at_s = asked(agent, {"x-envoy-expected-rq-timeout-ms": "3000"})
    assert (error.type, error.status, error.attempts, at_s) == ("timeout", 504, 1, 3)
    assert agent.said == ["slow cancelled"]


class One(Agent):
    """An agent of one node, whose attempts are counted."""

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run."""
        return await self.nodes["work"](self, request, ctx)


def one(settings: Node, body: Any) -> Agent:
    agent: Any = type("OneAgent", (One,), {"work": node(settings)(body), "source": "flow.yaml"})()
    agent.states = StateStore()
    agent.load()
    return agent  # type: ignore[no-any-return]  # type() gives Any


def test_an_attempt_past_its_time_has_ended_before_the_next_begins() -> None:
    running, most, began = 0, 0, []

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        nonlocal running, most
        running += 1
        most = max(most, running)
        began.append(asyncio.get_running_loop().time())
        try:
            await asyncio.sleep(20)
        finally:
            await asyncio.sleep(1)  # it takes its time to end
            running -= 1
        return {}

    async def main() -> NodeError:
        agent = one(Node("work", timeout_s=2, attempts=3, backoff_s=0), body)
        with pytest.raises(NodeError) as caught:
            await agent.predict({})
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return caught.value

    error = run_virtually(main())
    assert (error.type, error.status, error.attempts) == ("timeout", 504, 3)
    assert (began, most, running) == ([0, 3, 6], 1, 0)


def test_what_a_node_waits_for_is_cancelled_by_somebody_else() -> None:
    calls = 0

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        nonlocal calls
        calls += 1
        if calls <= inputs["failures"]:
            library = asyncio.create_task(asyncio.sleep(9))
            asyncio.get_running_loop().call_later(1, library.cancel)
            await library
        return {"call": calls}

    async def main(failures: int) -> Any:
        agent = one(Node("work", attempts=2, backoff_s=0), body)
        return await agent.predict({"failures": failures})

    assert run_virtually(main(1)) == {"call": 2}
    calls = 0
    with pytest.raises(NodeError) as caught:
        run_virtually(main(2))
    assert isinstance(caught.value.__cause__, CancelledWorkError)
    assert (caught.value.status, caught.value.attempts) == (500, 2)


@pytest.mark.parametrize("jump_s", [HOURS_S, -HOURS_S], ids=["forward", "back"])
def test_the_clock_jumps(jump_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time: a node that hangs, a pause, a cache, and state, amid all of which the clock jumps."""
    real_time = time.time
    calls = 0

    def jump() -> None:
        monkeypatch.setattr(time, "time", lambda: real_time() + jump_s)

    async def body(agent: Any, inputs: Inputs, context: Context, state: State) -> Outputs:
        nonlocal calls
        calls += 1
        await state.set("turn", await state.get("turn", 0) + 1)
        if inputs["hangs"]:
            jump()
            await asyncio.sleep(30)
        return {"call": calls, "turn": await state.get("turn")}

    settings = Node(
        "work",
        timeout_s=0.1,
        attempts=2,
        backoff_s=0.01,
        state=StateSpec("session", "s{session_id}", ttl_s=60),
        cache=CacheSpec(ttl_s=60),
        cache_key=lambda inputs, context: dict(inputs),
    )

    async def main() -> None:
        agent = one(settings, body)
        asking = {"session_id": "s", "hangs": False}
        assert await agent.predict(asking) == {"call": 1, "turn": 1}
        began = time.monotonic()
        with pytest.raises(NodeError) as caught:
            await agent.predict({"session_id": "s", "hangs": True})
        assert (caught.value.type, caught.value.attempts) == ("timeout", 2)
        assert 0.2 <= time.monotonic() - began < 10
        assert await agent.predict(asking) == {"call": 1, "turn": 1}  # still in the cache
        other = {**asking, "other": True}
        assert await agent.predict(other) == {"call": 4, "turn": 2}  # its state is still there
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


#: They say when something happened, or read a date that somebody sent.
OF_THE_WALL_CLOCK = {"context.py", "openai_endpoints.py", "openai_response.py", "retry_after.py"}


def test_no_duration_is_measured_by_the_wall_clock() -> None:
    reads = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow"}
    found = {
        path.name
        for path in Path("src/python/irc_runtime").rglob("*.py")
        for item in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(item, ast.Call) and ast.unparse(item.func) in reads
    }
    assert {"context.py"} <= found <= OF_THE_WALL_CLOCK
