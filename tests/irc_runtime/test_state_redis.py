"""State in a real Redis, as one process sees it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from irc_runtime.context import Context
from irc_runtime.errors import NodeError, StateError
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.state.redis import LEASE_S, RedisBackend
from irc_runtime.state.redis_scripts import GIVE, TAKE
from irc_runtime.state.redis_turns import Turns
from tests.irc_runtime.agents import agent_of
from tests.standins.redis_server import RedisServer

SESSION = StateSpec(scope="session", key="chat:{session_id}", ttl_s=60.0, backend="redis")
REQUEST = {"session_id": "s1"}
HOLDER = "irc:{support/chat:s1}:holder"
WAITING = "irc:{support/chat:s1}:waiting"
VALUES = "irc:{support/chat:s1}:values"


@pytest.fixture
def client(redis: RedisServer) -> Iterator[Redis]:
    """Who looks into the Redis."""
    with redis.client() as client:
        yield client


def store_of(agent: str = "support", **options: Any) -> StateStore:
    """State of an agent, as a process of its own would have it."""
    return StateStore(redis=RedisBackend(agent, **options))


async def put(store: StateStore, /, spec: StateSpec = SESSION, **values: Any) -> None:
    """Set values in one execution."""
    async with store.open(spec, {}, Context(REQUEST)) as state:
        for name, value in values.items():
            await state.set(name, value)


async def held(store: StateStore, spec: StateSpec = SESSION) -> dict[str, Any]:
    """All values, as an execution reads them."""
    async with store.open(spec, {}, Context(REQUEST)) as state:
        return state.values()


async def until(is_so: Callable[[], Any]) -> None:
    """Let the loop run until something is so; a test that waits in vain fails."""
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.001)


async def count(agent: Any, inputs: Inputs, context: Context, state: State) -> Outputs:
    """Add one, and give others the chance to come in between."""
    number = await state.get("number", 0)
    await asyncio.sleep(0)
    await state.set("number", number + 1)
    return {"number": number + 1}


def test_values_are_read_by_another_process(redis: RedisServer) -> None:
    values: dict[str, Any] = {
        "turns": [{"text": "Grüße", "n": 1.5}],
        "none": None,
        "half a pair": "\ud83d",
    }

    async def main() -> None:
        first, second = store_of(), store_of()
        await put(first, SESSION, **values)
        assert await held(second) == values
        await first.close()
        await second.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "key", ["{", "a}b{c", "line\nline\0", "\ud83d", "ключ", "k" * 100_000, "*"]
)
def test_keys_may_hold_any_characters(client: Redis, key: str) -> None:
    async def main() -> None:
        stores = store_of(), store_of()
        for number, store in enumerate(stores):
            async with store.open(SESSION, {}, Context({"session_id": key})) as state:
                assert await state.get("number", 0) == number
                await state.set("number", number + 1)
        assert await held(stores[0]) == {}
        for store in stores:
            await store.close()
        assert client.dbsize() == 1

    asyncio.run(main())


def test_agents_of_one_redis_do_not_meet(redis: RedisServer) -> None:
    async def main() -> None:
        first, second = store_of("a"), store_of("b")
        await put(first, x=1)
        assert await held(second) == {}
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_write_sets_the_time_to_live_and_a_read_does_not(client: Redis) -> None:
    async def main() -> None:
        store = store_of()
        await put(store, x=1)
        assert 0 < client.pttl(VALUES) <= 60_000
        client.pexpire(VALUES, 5_000)
        assert await held(store) == {"x": 1}
        assert 0 < client.pttl(VALUES) <= 5_000
        await put(store, StateSpec(scope="session", key="chat:{session_id}", backend="redis"), y=2)
        assert client.pttl(VALUES) == -1
        await store.close()

    asyncio.run(main())


def test_only_values_are_left_behind(client: Redis) -> None:
    async def main() -> None:
        agent = agent_of(Node("n", state=SESSION), count, store_of())
        await asyncio.gather(*(agent.predict(REQUEST) for _ in range(20)))
        await agent.close()
        assert client.keys("*") == [VALUES]

    asyncio.run(main())


def test_turns_of_one_session_lose_nothing(redis: RedisServer) -> None:
    async def main() -> None:
        agent = agent_of(Node("n", state=SESSION), count, store_of())
        results = await asyncio.gather(*(agent.predict(REQUEST) for _ in range(100)))
        assert [result["number"] for result in results] == list(range(1, 101))
        await agent.close()

    asyncio.run(main())


def test_processes_get_their_turn_in_the_order_of_their_coming(client: Redis) -> None:
    async def main() -> None:
        stores = [store_of() for _ in range(4)]
        order = []

        async def turn(number: int) -> None:
            async with stores[number].open(SESSION, {}, Context(REQUEST)):
                order.append(number)
                if number == 0:
                    await until(lambda: client.zcard(WAITING) == 3)

        turns = []
        for number in range(4):
            turns.append(asyncio.create_task(turn(number)))
            await until(lambda: client.exists(HOLDER) and client.zcard(WAITING) == len(turns) - 1)
        # Nobody's lease ends in that time: only those who hear of their turn go on.
        async with asyncio.timeout(8):
            await asyncio.gather(*turns)
        assert order == [0, 1, 2, 3]
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_who_waits_asks_again_only_when_the_lease_is_over(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    wait = Turns.wait

    async def noted(turns: Turns, turn: asyncio.Event, timeout_s: float) -> None:
        waits.append(timeout_s)
        await wait(turns, turn, timeout_s)

    monkeypatch.setattr(Turns, "wait", noted)

    async def main() -> None:
        first, second = store_of(), store_of()
        async with first.open(SESSION, {}, Context(REQUEST)):
            waiter = asyncio.create_task(put(second, x=1))
            await until(lambda: client.zcard(WAITING) == 1)
        await waiter
        # Once when it came, and where it could not hear yet, once when it could.
        assert len(waits) <= 2
        assert all(LEASE_S / 2 < timeout_s <= LEASE_S for timeout_s in waits)
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_turn_that_came_before_it_could_be_heard_is_not_missed(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    can_hear = asyncio.Event()
    listen = Turns._listen

    async def late(turns: Turns) -> None:
        await can_hear.wait()
        await listen(turns)

    monkeypatch.setattr(Turns, "_listen", late)

    async def main() -> None:
        first, second = store_of(), store_of()
        async with first.open(SESSION, {}, Context(REQUEST)):
            waiter = asyncio.create_task(put(second, x=1))
            await until(lambda: client.zcard(WAITING) == 1)
        assert not client.exists(HOLDER)
        can_hear.set()
        async with asyncio.timeout(LEASE_S / 2):
            await waiter
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_holder_whose_lease_was_lost_cannot_write(client: Redis) -> None:
    async def main() -> None:
        first, second = store_of(), store_of()
        with pytest.raises(StateError, match="lost to another execution") as caught:
            async with first.open(SESSION, {}, Context(REQUEST)) as state:
                await state.set("x", "late")
                client.delete(HOLDER)
                await put(second, x="in time", y=1)
        assert caught.value.retryable
        assert await held(second) == {"x": "in time", "y": 1}
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_late_holder_does_not_release_the_key_of_another(client: Redis) -> None:
    async def main() -> None:
        first, second = store_of(), store_of()
        async with second.open(SESSION, {}, Context({"session_id": "other"})):
            pass
        async with first.open(SESSION, {}, Context(REQUEST)):
            client.set(HOLDER, "another:1")
        await first.close()  # waits for the release
        assert client.get(HOLDER) == "another:1"
        await second.close()

    asyncio.run(main())


def test_the_lease_is_renewed_while_the_node_runs(client: Redis) -> None:
    async def main() -> None:
        store = store_of(lease_s=3.0)
        async with store.open(SESSION, {}, Context(REQUEST)):
            left = client.pttl(HOLDER)
            while (now := client.pttl(HOLDER)) <= left:
                left = now
                assert left > 0
                await asyncio.sleep(0.01)
        await store.close()

    asyncio.run(main())


def test_the_key_of_a_dead_holder_is_free_when_its_lease_is_over(client: Redis) -> None:
    async def main() -> None:
        client.set(HOLDER, "dead:1", px=100)
        store = store_of()
        async with store.open(SESSION, {}, Context(REQUEST)):
            # A holder that stood in line as well could lose the key and get it back unawares.
            assert client.zcard(WAITING) == 0
        await store.close()

    asyncio.run(main())


def test_the_dead_in_line_are_passed_over(client: Redis) -> None:
    async def main() -> None:
        store = store_of()
        async with store.open(SESSION, {}, Context(REQUEST)):
            client.zadd(WAITING, {"dead:1": 0, "dead:2": 1})
        await store.close()
        assert client.keys("*") == []

    asyncio.run(main())


def test_an_attempt_that_times_out_in_line_leaves_it(client: Redis) -> None:
    async def main() -> None:
        store = store_of()
        agent = agent_of(Node("n", timeout_s=0.05, state=SESSION), count, store_of())
        async with store.open(SESSION, {}, Context(REQUEST)):
            with pytest.raises(NodeError) as caught:
                await agent.predict(REQUEST)
            assert caught.value.kind == "timeout"
            await agent.close()  # waits for the release
            assert client.zcard(WAITING) == 0
        await store.close()

    asyncio.run(main())


def test_cancellation_releases_the_key_and_keeps_nothing(client: Redis) -> None:
    async def main() -> None:
        running = asyncio.Event()

        async def body(agent: Any, inputs: Inputs, context: Context, state: State) -> Outputs:
            await state.set("x", 1)
            running.set()
            await asyncio.Event().wait()
            return {}

        agent = agent_of(Node("n", state=SESSION), body, store_of())
        request = asyncio.create_task(agent.predict(REQUEST))
        await running.wait()
        request.cancel()
        await asyncio.wait([request])
        assert request.cancelled()
        await agent.close()
        assert client.keys("*") == []

    asyncio.run(main())


def test_the_release_waits_for_the_question_that_was_cancelled(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        backend = RedisBackend("support")
        asked, answered, ran = asyncio.Event(), asyncio.Event(), []
        run = backend.run

        async def slowly(script: str, keys: list[str], *values: Any) -> Any:
            if script == TAKE:
                asked.set()
                await answered.wait()
            ran.append(script)
            return await run(script, keys, *values)

        monkeypatch.setattr(backend, "run", slowly)
        execution = asyncio.create_task(held(StateStore(redis=backend)))
        await asked.wait()
        execution.cancel()
        await asyncio.wait([execution])  # which does not wait for the answer
        answered.set()
        await backend.close()
        assert ran == [TAKE, GIVE]
        assert client.keys("*") == []

    asyncio.run(main())
