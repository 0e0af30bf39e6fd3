"""State in Redis when Redis is away, refuses, or comes back with nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import LoadError, NodeError, StateError
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.state.redis import RedisBackend
from tests.irc_runtime.agents import agent_of
from tests.standins.redis_server import RedisServer, running_redis

SESSION = StateSpec(scope="session", key="chat:{session_id}", backend="redis")
REQUEST = {"session_id": "s1"}


def counting(redis: RedisServer, *happenings: Any, **settings: Any) -> Agent:
    """An agent whose node counts; while it runs for the nth time, the nth of these happens."""
    calls = iter(happenings)

    async def count(agent: Any, inputs: Inputs, context: Context, state: State) -> Outputs:
        number = await state.get("number", 0) + 1
        await state.set("number", number)
        happens = next(calls, None)
        if happens is not None:
            happens()
        return {"number": number}

    node = Node("n", state=SESSION, backoff_s=0.0, **settings)
    return agent_of(node, count, StateStore(redis=RedisBackend("support")))


def restart(redis: RedisServer) -> None:
    """End Redis, which forgets everything, and start it again."""
    redis.kill()
    redis.start()


def test_without_an_address_the_agent_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    with pytest.raises(LoadError, match="needs the environment variable REDIS_URL"):
        RedisBackend("support")


def test_a_malformed_address_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@host:port/0")
    with pytest.raises(LoadError, match="^REDIS_URL is not the address of a Redis server$"):
        RedisBackend("support")


def test_a_redis_that_is_down_keeps_the_agent_from_loading(redis: RedisServer) -> None:
    redis.kill()
    with pytest.raises(LoadError, match="^the Redis that REDIS_URL names: it cannot be reached$"):
        RedisBackend("support")


def test_a_wrong_password_keeps_the_agent_from_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_redis(tmp_path) as server, server.client() as client:
        client.config_set("requirepass", "hunter2")
        monkeypatch.setenv("REDIS_URL", server.url)
        with pytest.raises(LoadError, match="does not let the agent in"):
            RedisBackend("support")
        monkeypatch.setenv("REDIS_URL", server.url.replace("//", "//:hunter2@"))
        RedisBackend("support")


def test_a_redis_that_was_restarted_between_requests_is_found_again(redis: RedisServer) -> None:
    async def main() -> None:
        agent = counting(redis)
        assert await agent.predict(REQUEST) == {"number": 1}
        await asyncio.to_thread(restart, redis)
        assert await agent.predict(REQUEST) == {"number": 1}
        assert await agent.predict(REQUEST) == {"number": 2}
        await agent.close()

    asyncio.run(main())


def test_a_restart_in_mid_flight_costs_an_attempt(redis: RedisServer) -> None:
    async def main() -> None:
        agent = counting(redis, None, lambda: restart(redis), attempts=2)
        assert await agent.predict(REQUEST) == {"number": 1}
        assert await agent.predict(REQUEST) == {"number": 1}  # what was kept is lost, too
        assert await agent.predict(REQUEST) == {"number": 2}
        await agent.close()

    asyncio.run(main())


def test_a_redis_that_dies_in_mid_flight_fails_the_node_by_its_error_port(
    redis: RedisServer,
) -> None:
    async def main() -> None:
        agent = counting(redis, redis.kill, attempts=2, error_port="failed")
        failure = (await agent.predict(REQUEST))["failed"]
        assert (failure["type"], failure["attempts"]) == ("state", 2)
        assert failure["reason"] == "state in Redis: it cannot be reached"
        redis.start()
        assert await agent.predict(REQUEST) == {"number": 1}
        await agent.close()

    asyncio.run(main())


def test_those_who_wait_learn_of_redis_death_at_once(redis: RedisServer) -> None:
    async def main() -> None:
        # Half a lease: by the lease's end alone it would be a timeout.
        first, second = counting(redis), counting(redis, timeout_s=5.0)
        async with first.states.open(SESSION, {}, Context(REQUEST)):  # type: ignore[attr-defined]  # generated agents have it
            request = asyncio.create_task(second.predict(REQUEST))
            with redis.client() as client:
                async with asyncio.timeout(30):
                    # It has asked when it came and when it could hear: now it waits.
                    while client.info("commandstats").get("cmdstat_time", {}).get("calls") != 2:
                        await asyncio.sleep(0.001)
            redis.kill()
            with pytest.raises(NodeError) as caught:
                await request
            assert caught.value.type == "state"
        await first.close()
        await second.close()

    asyncio.run(main())


def test_a_primary_that_became_a_replica_is_tried_again(redis: RedisServer) -> None:
    def demote() -> None:
        with redis.client() as client:
            client.replicaof("127.0.0.1", 1)

    def promote() -> None:
        with redis.client() as client:
            client.replicaof("NO", "ONE")
            client.flushall()  # of the hold, too, which could not be given back

    async def main() -> None:
        agent = counting(redis, demote)
        with pytest.raises(NodeError) as caught:
            await agent.predict(REQUEST)
        assert isinstance(caught.value.__cause__, StateError)
        assert caught.value.__cause__.retryable
        promote()
        assert await agent.predict(REQUEST) == {"number": 1}
        await agent.close()

    asyncio.run(main())


def test_a_full_redis_finishes_what_runs_and_begins_nothing(redis: RedisServer) -> None:
    def limit(size_bytes: int) -> None:
        with redis.client() as client:
            client.config_set("maxmemory", size_bytes)

    async def main() -> None:
        agent = counting(redis, None, lambda: limit(1))
        assert await agent.predict(REQUEST) == {"number": 1}
        assert await agent.predict(REQUEST) == {"number": 2}
        with pytest.raises(NodeError, match="OutOfMemory") as caught:
            await agent.predict(REQUEST)
        assert isinstance(caught.value.__cause__, StateError)
        assert caught.value.__cause__.retryable
        limit(0)
        assert await agent.predict(REQUEST) == {"number": 3}
        await agent.close()

    asyncio.run(main())
