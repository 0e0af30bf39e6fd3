"""State in Redis when Redis is away, refuses, or comes back with nothing."""

import asyncio
import time
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import NodeError, StateError
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.state import State, StateSpec, StateStore
from irc_runtime.state.redis import RedisBackend
from irc_runtime.state.redis_scripts import WRITE
from tests.irc_runtime.agents import agent_of
from tests.standins.redis_server import RedisServer

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


def test_a_redis_that_is_down_when_the_agent_loads_is_waited_for(redis: RedisServer) -> None:
    async def main() -> None:
        redis.kill()
        agent = counting(redis, error_port="failed")
        assert not await agent.connected()
        failure = (await agent.predict(REQUEST))["failed"]
        assert failure["reason"] == "state in Redis: it cannot be reached"
        redis.start()
        assert await agent.connected()
        assert await agent.predict(REQUEST) == {"number": 1}
        redis.kill()  # what the agent was made ready with stays, and requests say what is wrong
        assert await agent.connected()
        await agent.close()

    asyncio.run(main())


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


def test_a_redis_that_stands_still_costs_an_attempt_its_time(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("irc_runtime.state.redis.TIMEOUT_S", 0.1)

    async def main() -> None:
        agent = counting(redis, error_port="failed")
        assert await agent.predict(REQUEST) == {"number": 1}
        redis.pause()
        failure = (await agent.predict(REQUEST))["failed"]
        assert (failure["type"], failure["attempts"]) == ("state", 1)
        assert failure["reason"] == "state in Redis: it does not answer in time"
        redis.resume()
        assert await agent.predict(REQUEST) == {"number": 2}
        await agent.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with redis.client() as client:
            assert client.keys("*holder") == []

    asyncio.run(main())


def test_a_write_whose_answer_is_not_heard_is_kept_once(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis stands still while it is asked to write, and goes on when it is asked again."""
    monkeypatch.setattr("irc_runtime.state.redis.TIMEOUT_S", 0.1)
    asked: list[str] = []
    run = RedisBackend.run

    async def noted(backend: RedisBackend, script: str, keys: list[str], *values: Any) -> Any:
        if script == WRITE:
            asked.append(script)
            if len(asked) == 2:
                redis.resume()
        return await run(backend, script, keys, *values)

    monkeypatch.setattr(RedisBackend, "run", noted)

    async def main() -> None:
        agent = counting(redis, redis.pause)
        assert await agent.predict(REQUEST) == {"number": 1}
        assert len(asked) == 2
        assert await agent.predict(REQUEST) == {"number": 2}
        await agent.close()

    asyncio.run(main())


def test_a_hold_that_ends_early_is_found_out(redis: RedisServer) -> None:
    """As when the clock of Redis jumps ahead: times to live are moments of that clock."""

    def jump() -> None:
        with redis.client() as client:
            client.pexpire("irc:{support/chat:s1}:holder", 0)

    async def main() -> None:
        agent = counting(redis, None, jump, attempts=2)
        assert await agent.predict(REQUEST) == {"number": 1}
        assert await agent.predict(REQUEST) == {"number": 2}
        await agent.close()

    asyncio.run(main())


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
def test_the_agents_own_clock_does_not_matter(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    clock = time.time

    def jump() -> None:
        monkeypatch.setattr(time, "time", lambda: clock() + jump_s)

    async def main() -> None:
        agent = counting(redis, None, jump)
        for number in (1, 2, 3):
            assert await agent.predict(REQUEST) == {"number": number}
        await agent.close()

    asyncio.run(main())
