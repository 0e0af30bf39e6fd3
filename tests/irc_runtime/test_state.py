import asyncio
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import NodeError, StateError
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.state.memory import MemoryBackend
from irc_runtime.virtual_time import run_virtually
from tests.irc_runtime.agents import agent_of

SESSION = StateSpec(scope="session", key="chat:{session_id}", ttl_s=60.0)


async def count(agent: Any, inputs: Inputs, context: Context, state: State) -> Outputs:
    """Add one, slowly, so that others could come in between."""
    number = await state.get("number", 0)
    await asyncio.sleep(0.01)
    await state.set("number", number + 1)
    if inputs.get("fail"):
        raise ConnectionError
    return {"number": number + 1}


def test_turns_of_one_session_lose_nothing() -> None:
    async def main() -> None:
        agent = agent_of(Node("n", state=SESSION), count)
        request = {"session_id": "s1"}
        results = await asyncio.gather(*(agent.predict(request) for _ in range(50)))
        assert sorted(result["number"] for result in results) == list(range(1, 51))
        assert await agent.predict({"session_id": "s2"}) == {"number": 1}

    run_virtually(main())


def test_sessions_do_not_wait_for_each_other() -> None:
    async def main() -> float:
        agent = agent_of(Node("n", state=SESSION), count)
        await asyncio.gather(*(agent.predict({"session_id": str(i)}) for i in range(50)))
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == pytest.approx(0.01)


def test_an_attempt_that_fails_leaves_nothing_behind() -> None:
    async def main() -> None:
        agent = agent_of(Node("n", attempts=3, backoff_s=0, state=SESSION), count)
        with pytest.raises(NodeError):
            await agent.predict({"session_id": "s1", "fail": True})
        assert await agent.predict({"session_id": "s1"}) == {"number": 1}

    run_virtually(main())


def test_values_are_gone_after_their_time() -> None:
    async def main() -> None:
        agent = agent_of(Node("n", state=SESSION), count)
        await agent.predict({"session_id": "s1"})
        await asyncio.sleep(59)
        assert await agent.predict({"session_id": "s1"}) == {"number": 2}
        await asyncio.sleep(61)
        assert await agent.predict({"session_id": "s1"}) == {"number": 1}

    run_virtually(main())


def test_memory_is_bounded_and_its_locks_do_not_stay() -> None:
    async def main() -> None:
        backend = MemoryBackend(max_entries=2)
        for key in ("a", "b", "c"):
            async with backend.hold(key) as held:
                await held.write({"x": "1"}, None)
        assert [backend.read(key) for key in ("a", "b", "c")] == [{}, {"x": "1"}, {"x": "1"}]
        assert len(backend._locks) == 0

    run_virtually(main())


def test_request_state_is_shared_within_a_request_alone() -> None:
    async def main() -> None:
        store = StateStore()
        spec = StateSpec(scope="request", key="notes")
        first, second = Context({}), Context({})
        async with store.open(spec, {}, first) as state:
            await state.set("x", 1)
        async with store.open(spec, {}, first) as state:
            assert await state.get("x") == 1
        async with store.open(spec, {}, second) as state:
            assert await state.get("x") is None

    run_virtually(main())


def test_what_is_read_is_a_copy() -> None:
    async def main() -> None:
        state = State({})
        turns = ["a"]
        await state.set("turns", turns)
        turns.append("b")
        read = await state.get("turns")
        read.append("c")
        assert await state.get("turns") == ["a"]
        assert state.values() == {"turns": ["a"]}

    run_virtually(main())


def test_values_that_json_cannot_express_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(StateError, match="'when' is a set"):
            await State({}).set("when", {1, 2})
        with pytest.raises(StateError, match="'risk' is a float"):
            await State({}).set("risk", float("nan"))

    run_virtually(main())


def test_keys_hold_scope_variables_context_fields_and_inputs() -> None:
    spec = StateSpec(scope="session", key="{user_id}/{context.tenant}/{topic}")
    context = Context({"user_id": "u1", "tenant": "acme"})
    assert spec.key_for({"topic": 7}, context) == "u1/acme/7"
    with pytest.raises(StateError, match="'topic'"):
        spec.key_for({}, context)


def test_an_unknown_backend_is_named() -> None:
    spec = StateSpec(scope="session", key="{session_id}", backend="tape")

    async def main() -> None:
        with pytest.raises(StateError, match=r"'tape'.*memory"):
            async with StateStore().open(spec, {}, Context({"session_id": "s1"})):
                raise AssertionError

    run_virtually(main())


def test_what_is_dropped_while_held_is_kept_again() -> None:
    async def main() -> None:
        backend = MemoryBackend(max_entries=1)
        store = StateStore(tape=backend)
        spec = StateSpec(scope="session", key="{session_id}", backend="tape")
        first, second = Context({"session_id": "s1"}), Context({"session_id": "s2"})
        async with store.open(spec, {}, first) as state:
            await state.set("a", 1)
        async with store.open(spec, {}, first) as state:
            async with store.open(spec, {}, second) as other:
                await other.set("b", 2)
            assert backend.read("s1") == {}
            await state.set("c", 3)
        assert backend.read("s1") == {"a": "1", "c": "3"}

    run_virtually(main())


def test_what_expires_while_held_is_kept_again_by_a_write() -> None:
    async def main() -> None:
        backend = MemoryBackend()
        store = StateStore(memory=backend)
        context = Context({"session_id": "s1"})
        async with store.open(SESSION, {}, context) as state:
            await state.set("a", 1)
        await asyncio.sleep(59)
        async with store.open(SESSION, {}, context) as state:
            await asyncio.sleep(2)
            await state.set("b", 2)
        await asyncio.sleep(59)
        assert backend.read("chat:s1") == {"a": "1", "b": "2"}

    run_virtually(main())


def test_memory_is_bounded_by_what_it_holds() -> None:
    async def main() -> None:
        memory = MemoryBackend(max_characters=100)
        for number in range(10):
            async with memory.hold(f"k{number}") as held:
                await held.write({"x": "7" * 37}, None)  # 40 characters, with key and name
        async with memory.hold("k9") as held:
            await held.write({"x": "8" * 37}, None)
        assert (len(memory._entries), memory._characters) == (2, 80)
        async with memory.hold("large") as held:
            await held.write({"x": "9" * 1000}, None)
            assert await held.read() == {"x": "9" * 1000}  # the last one is always held
        assert list(memory._entries) == ["large"]
        await memory.close()

    run_virtually(main())


def test_what_has_expired_makes_room_without_being_read() -> None:
    async def main() -> None:
        memory = MemoryBackend()
        for number in range(10):
            async with memory.hold(f"k{number}") as held:
                await held.write({"x": "1"}, 1.0)
        await asyncio.sleep(2.0)
        async with memory.hold("new") as held:
            await held.write({"x": "1"}, 1.0)
        assert list(memory._entries) == ["new"]

    run_virtually(main())


def test_state_that_is_too_large_is_refused_and_what_was_there_stays() -> None:
    async def main() -> None:
        store = StateStore()
        async with store.open(SESSION, {}, Context({"session_id": "s"})) as state:
            await state.set("x", 1)
        with pytest.raises(StateError, match="would be 16000003 characters") as caught:
            async with store.open(SESSION, {}, Context({"session_id": "s"})) as state:
                await state.set("y", "y" * 16_000_000)
        assert not caught.value.retryable
        async with store.open(SESSION, {}, Context({"session_id": "s"})) as state:
            assert state.values() == {"x": 1}

    run_virtually(main())
