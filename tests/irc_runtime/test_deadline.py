"""What a node waits for besides its own work ends with the request's deadline."""

import asyncio
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import NodeError
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.state import StateSpec
from irc_runtime.virtual_time import run_virtually
from tests.irc_runtime.agents import Failing, agent_of


async def late(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    await asyncio.sleep(60)
    return {}


async def fifty_seconds(agent: Any, inputs: Inputs, context: Context, *state: Any) -> Outputs:
    await asyncio.sleep(50)
    return {}


def gives_up(agent: Any) -> NodeError:
    """The failure of a request that has three seconds, and takes no longer."""

    async def main() -> NodeError:
        other = asyncio.create_task(agent.predict({"session_id": "s"}))
        await asyncio.sleep(1)
        headers = {"x-envoy-expected-rq-timeout-ms": "3000"}
        with pytest.raises(NodeError) as caught:
            await agent.predict({"session_id": "s"}, headers)
        assert asyncio.get_running_loop().time() == 4.0
        assert await other == {}  # which loses nothing
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return caught.value

    return run_virtually(main())


@pytest.mark.parametrize(
    "limit", [{"concurrency": 1}, {"state": StateSpec("session", "{session_id}")}]
)
def test_a_place_and_a_key_are_waited_for_until_the_deadline(limit: dict[str, Any]) -> None:
    error = gives_up(agent_of(Node("n", timeout_s=100, **limit), fifty_seconds))
    assert (error.type, error.status) == ("timeout", 504)


def test_a_fallback_has_until_the_deadline() -> None:
    body = Failing(KeyError("the other's"), KeyError("its own"))
    settings = Node("n", timeout_s=100, fallbacks=("late",), fallback_on=("error",))
    error = gives_up(agent_of(settings, body, late=late))
    assert (error.type, error.status) == ("timeout", 504)
