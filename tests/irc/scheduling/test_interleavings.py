"""Results are the same in every order in which tasks may run, and are what the language says."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from irc.pipeline import check, generate
from irc_runtime.agent import Agent
from irc_runtime.errors import AgentError, NodeError
from irc_runtime.stubs import Script, scripted_agent
from tests.irc.compiling import class_of, rendered
from tests.irc.scheduling.any_flow import AnyFlow, any_flow
from tests.irc.scheduling.controlled_loop import ControlledLoop, run_controlled
from tests.irc.scheduling.interpreter import Meaning, meaning

ORDERS = 3

REQUEST = {"query": {"n": 2, "of": "query"}}
MORE = {"n": 5, "of": "more"}

quickly = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


#: Orders in which tasks run: what a loop chooses by.
orders = st.integers(0, 2**32)


@dataclass(frozen=True)
class Came:
    """What came of a request."""

    output: Any
    error: tuple[str | None, str, int] | None
    ran: frozenset[str]


def compiled(any_flow: AnyFlow) -> type[Agent]:
    """The agent of a flow; a flow whose edges both deliver to one input is not of use."""
    text = json.dumps(any_flow.flow).encode()
    result = check("flow.json", lambda name: text)
    errors = {item.code for item in result.report if item.code.startswith("E")}
    assert errors <= {"E305"}, rendered(result)
    assume(result.compiled is not None)
    assert result.compiled is not None
    return class_of(generate(result.compiled)["agent.py"])


def ready(agent_type: type[Agent], any_flow: AnyFlow) -> Agent:
    """An agent whose nodes behave as the flow has it."""

    def behave(name: str) -> Any:
        attempts: Counter[str] = Counter()

        async def act(inputs: Mapping[str, Any], context: Any, *state: Any) -> Any:
            attempts[context.trace_id] += 1
            return await any_flow.behaviours[name].act(inputs, attempts[context.trace_id])

        return act

    return scripted_agent(
        agent_type, Script({name: [{"act": behave(name)}] for name in agent_type.nodes})
    )


async def came(agent: Any, request: Mapping[str, Any]) -> Came:
    """Ask, and see that nothing is left running."""
    output: Any = None
    error: tuple[str | None, str, int] | None = None
    try:
        output = await agent.predict({**request})
    except NodeError as failure:
        error = (failure.node, failure.type, failure.attempts)
    except AgentError as failure:
        error = (None, failure.type, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return Came(output, error, frozenset(agent.script.started))


def check_is_meant(result: Came, told: Meaning) -> None:
    """What came is one of what the language allows."""
    failed = {(failure.node, failure.type, failure.attempts) for failure in told.failures}
    assert result.ran <= told.possible
    if told.no_output:
        assert result.error == (None, "no_output", 1)
    elif failed:
        assert result.error in failed
    else:
        assert (result.output, result.error) == (told.output, None)
        assert result.ran >= told.needed


@quickly
@given(any_flow(), st.booleans(), orders)
def test_a_request_means_the_same_in_every_order(flow: AnyFlow, more: bool, seed: int) -> None:
    agent_type = compiled(flow)
    request = {**REQUEST, **({"more": MORE} if more else {})}
    told = meaning(flow.flow, flow.behaviours, request)
    results = [
        run_controlled(came(ready(agent_type, flow), request), random.Random(seed + number))
        for number in range(ORDERS)
    ]
    if not told.either:
        for result in results:
            check_is_meant(result, told)
    if len(told.failures) < 2:
        assert len({json.dumps([result.output, result.error]) for result in results}) == 1
    if not told.failures:
        assert len({result.ran & told.needed for result in results}) == 1


@quickly
@given(any_flow(), orders)
def test_requests_side_by_side_do_not_see_each_other(flow: AnyFlow, seed: int) -> None:
    agent_type = compiled(flow)
    requests = [
        {**REQUEST, "trace_id": str(n), **({"more": MORE} if n % 2 else {})} for n in range(4)
    ]
    meanings = [meaning(flow.flow, flow.behaviours, request) for request in requests]
    assume(not any(told.either for told in meanings))

    async def main() -> None:
        agent: Any = ready(agent_type, flow)
        answers = await asyncio.gather(
            *(agent.predict(request) for request in requests), return_exceptions=True
        )
        for answer, told in zip(answers, meanings, strict=True):
            if told.output is not None:
                assert answer == told.output
            elif told.no_output:
                assert isinstance(answer, AgentError) and answer.type == "no_output"
            else:
                assert isinstance(answer, NodeError)
                assert answer.node in {failure.node for failure in told.failures}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_controlled(main(), random.Random(seed))


@quickly
@given(any_flow(), st.integers(1, 60), orders)
def test_a_request_that_is_cancelled_leaves_nothing(
    flow: AnyFlow, after_steps: int, seed: int
) -> None:
    agent_type = compiled(flow)
    told = meaning(flow.flow, flow.behaviours, REQUEST)

    async def main() -> None:
        agent: Any = ready(agent_type, flow)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ControlledLoop)
        request = asyncio.create_task(agent.predict({**REQUEST, "trace_id": "cancelled"}))
        until = loop.steps + after_steps
        while loop.steps < until and not request.done():
            await asyncio.sleep(0)
        gone = request.cancel()
        await asyncio.wait([request])
        assert not gone or request.cancelled() or request.exception() is not None
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # Neither a place, nor a lock, nor an execution that others could join is left behind.
        result = await came(agent, {**REQUEST, "trace_id": "next"})
        if not told.either and told.output is not None:
            assert result.output == told.output

    run_controlled(main(), random.Random(seed))
