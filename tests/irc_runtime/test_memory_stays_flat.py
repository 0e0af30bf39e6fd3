"""A hundred thousand keys, each used once, leave no more behind than a thousand do."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from irc_runtime.batching import Batcher
from irc_runtime.cache import CacheSpec
from irc_runtime.context import Context
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.state import StateSpec, StateStore
from irc_runtime.state.memory import MemoryBackend
from irc_runtime.state.redis import RedisBackend
from tests.irc_runtime.agents import agent_of
from tests.standins.redis_server import RedisServer

KEYS = 100_000

#: Keys after which memory is as full as it gets.
WARM_KEYS = 2_000

MAX_ENTRIES = 1_000

#: Blocks of memory that may come to be in use; a hundred thousand keys would be as many at least.
SLACK_BLOCKS = 10_000

SESSION = StateSpec(scope="session", key="chat:{session_id}", ttl_s=60.0)

Use = Callable[[str], Awaitable[Any]]


def memory() -> Use:
    """State in memory, by key."""
    store = StateStore()
    store._backends["memory"] = MemoryBackend(max_entries=MAX_ENTRIES)

    async def use(key: str) -> None:
        async with store.open(SESSION, {}, Context({"session_id": key})) as state:
            await state.set("turn", key)

    return use


def cache() -> Use:
    """A node with a cache, in which equal calls share one execution."""

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"value": inputs["key"]}

    settings = Node(
        "n",
        cache=CacheSpec(ttl_s=60.0, max_entries=MAX_ENTRIES),
        cache_key=lambda inputs, context: inputs["key"],
    )
    agent = agent_of(settings, body)
    return lambda key: agent.predict({"key": key})


def places() -> Use:
    """Reads that are batched, each of a place of its own."""

    async def ask(place: str, questions: Sequence[str]) -> list[str]:
        return list(questions)

    batcher: Batcher[str, str, str] = Batcher(ask)

    async def use(key: str) -> None:
        await batcher(key, key)

    return use


@pytest.mark.parametrize("made", [memory, cache, places], ids=lambda made: made.__name__)
def test_memory_stays_flat(made: Callable[[], Use]) -> None:
    async def blocks_after(use: Use, first: int, last: int) -> int:
        for number in range(first, last, 100):
            await asyncio.gather(*(use(f"key {key}") for key in range(number, number + 100)))
        gc.collect()
        return sys.getallocatedblocks()

    async def main() -> None:
        use = made()
        before = await blocks_after(use, 0, WARM_KEYS)
        after = await blocks_after(use, WARM_KEYS, KEYS)
        assert after - before < SLACK_BLOCKS
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_sessions_in_redis_leave_nothing_in_the_process(redis: RedisServer) -> None:
    async def main() -> None:
        backend = RedisBackend("support")
        store = StateStore(redis=backend)
        spec = StateSpec(scope="session", key="{session_id}", ttl_s=60.0, backend="redis")

        async def turn(number: int) -> None:
            async with store.open(spec, {}, Context({"session_id": str(number // 2)})) as state:
                await state.set("turn", number)

        for first in range(0, 2_000, 100):
            await asyncio.gather(*(turn(number) for number in range(first, first + 100)))
        while backend._releases:
            await asyncio.wait(backend._releases)
        assert len(backend._locks) == 0
        assert backend.turns._waiting == {}
        assert backend.late_releases._waiting == {}
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with redis.client() as client:
            assert client.dbsize() == 1_000
            assert all(client.pttl(key) > 0 for key in client.scan_iter())
        await store.close()

    asyncio.run(main())
