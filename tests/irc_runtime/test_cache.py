"""Nodes with a cache: results that stand for a while, and executions that callers share."""

import asyncio
from typing import Any

import pytest

from irc_runtime.cache import CacheSpec
from irc_runtime.context import Context
from irc_runtime.errors import NodeError
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.virtual_time import run_virtually
from tests.irc_runtime.agents import Failing, agent_of


async def forever(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    await asyncio.sleep(10**6)
    raise AssertionError("not reached")


def cached(body: Any, key: Any = lambda inputs, context: dict(inputs), **spec: Any) -> Any:
    cache = CacheSpec(**{"ttl_s": 10.0, **spec})
    settings = Node("n", backoff_s=0, cache=cache, cache_key=key)
    return agent_of(settings, body)


def test_equal_calls_share_an_execution_and_its_result() -> None:
    async def main() -> None:
        body = Failing()
        agent = cached(body)
        first, second = await asyncio.gather(agent.predict({"x": 1}), agent.predict({"x": 1}))
        assert first == second == {"call": 1}
        first["call"] = "changed by its reader"
        assert await agent.predict({"x": 1}) == {"call": 1}
        assert await agent.predict({"x": True}) == {"call": 2}
        await asyncio.sleep(10)
        assert await agent.predict({"x": 1}) == {"call": 3}

    run_virtually(main())


def test_a_cache_is_bounded_and_keeps_what_is_used() -> None:
    async def main() -> None:
        body = Failing()
        agent = cached(body, max_entries=2)
        for x in (1, 2, 1, 3):
            await agent.predict({"x": x})
        assert body.calls == 3
        await agent.predict({"x": 1})
        assert body.calls == 3
        await agent.predict({"x": 2})
        assert body.calls == 4

    run_virtually(main())


def test_failures_are_not_cached() -> None:
    async def main() -> None:
        agent = cached(Failing(KeyError("k")))
        with pytest.raises(NodeError):
            await agent.predict({})
        assert await agent.predict({}) == {"call": 2}

    run_virtually(main())


def test_a_shared_execution_outlives_the_caller_that_began_it() -> None:
    async def main() -> None:
        async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
            await asyncio.sleep(2)
            return {"done": True}

        agent = cached(body)
        first = asyncio.create_task(agent.predict({}))
        second = asyncio.create_task(agent.predict({}))
        await asyncio.sleep(1)
        first.cancel()
        assert await second == {"done": True}
        assert first.cancelled()

    run_virtually(main())


def test_an_execution_that_nobody_awaits_is_cancelled() -> None:
    async def main() -> None:
        agent = cached(forever)
        task = asyncio.create_task(agent.predict({}))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(main())


def test_who_comes_after_the_last_was_cancelled_begins_anew() -> None:
    async def main() -> None:
        async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
            try:
                await asyncio.sleep(2)
            finally:
                await asyncio.sleep(1)  # it takes its time to end
            return {"done": True}

        agent = cached(body)
        first = asyncio.create_task(agent.predict({}))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(0.5)
        assert await agent.predict({}) == {"done": True}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(main())


def test_callers_of_a_shared_execution_keep_their_own_deadlines() -> None:
    async def main() -> None:
        async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
            assert context.trace_id == "leader"
            await asyncio.sleep(4)
            return {"done": True}

        async def ask(deadline_ms: int, trace_id: str) -> tuple[Any, float]:
            headers = {"x-envoy-expected-rq-timeout-ms": str(deadline_ms)}
            try:
                answer = await agent.predict({"trace_id": trace_id}, headers)
            except NodeError as error:
                answer = error.type
            return answer, asyncio.get_running_loop().time()

        agent = cached(body, key=lambda inputs, context: None)
        answers = await asyncio.gather(ask(2000, "leader"), ask(9000, "second"), ask(3000, "third"))
        assert [*answers] == [("timeout", 2.0), ({"done": True}, 4.0), ("timeout", 3.0)]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(main())
