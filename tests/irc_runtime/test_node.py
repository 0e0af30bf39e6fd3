import asyncio
import random
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import (
    HttpError,
    ModelError,
    NodeError,
    RowNotFoundError,
    ValidationFailedError,
)
from irc_runtime.node import Inputs, Node, Outputs, by_port
from irc_runtime.schema import Schema
from irc_runtime.virtual_time import run_virtually
from tests.irc_runtime.agents import Failing, agent_of


async def echo(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    return dict(inputs)


async def forever(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    await asyncio.sleep(10**6)
    raise AssertionError("not reached")


def failure_of(agent: Any, request: dict[str, Any] | None = None) -> NodeError:
    with pytest.raises(NodeError) as caught:
        run_virtually(agent.predict(request or {}))
    return caught.value


# Attempts


def test_what_can_succeed_is_tried_again() -> None:
    body = Failing(ConnectionError("gone"), RuntimeError("odd"))
    agent = agent_of(Node("n", attempts=3, backoff_s=0.1), body)
    assert run_virtually(agent.predict({})) == {"call": 3}


@pytest.mark.parametrize(
    "failure",
    [
        KeyError("k"),
        TypeError("t"),
        RowNotFoundError("no row"),
        HttpError("404", retryable=False),
        ModelError("401", retryable=False),
    ],
)
def test_what_cannot_succeed_is_not(failure: Exception) -> None:
    body = Failing(failure)
    error = failure_of(agent_of(Node("n", attempts=3), body))
    assert (body.calls, error.attempts) == (1, 1)


def test_the_last_failure_says_node_place_type_and_attempts() -> None:
    body = Failing(*[ConnectionError("secret host")] * 2)
    error = failure_of(agent_of(Node("n", line=12, attempts=2, backoff_s=0.0), body))
    assert (error.node, error.location, error.type, error.attempts) == (
        "n",
        "flow.yaml:12",
        "error",
        2,
    )
    assert str(error) == "flow.yaml:12: node 'n' failed (error): ConnectionError: secret host"
    assert error.reason.startswith("ConnectionError in tests.irc_runtime.agents:")
    assert error.__cause__ is body.failures[-1]


def test_each_attempt_has_its_own_timeout() -> None:
    async def main() -> float:
        agent = agent_of(Node("n", timeout_s=2.0, attempts=3, backoff_s=0.0), forever)
        with pytest.raises(NodeError) as caught:
            await agent.predict({})
        assert (caught.value.type, caught.value.status, caught.value.attempts) == (
            "timeout",
            504,
            3,
        )
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 6.0


def test_pauses_double_with_full_jitter() -> None:
    async def main() -> float:
        body = Failing(*[ConnectionError()] * 4)
        agent = agent_of(Node("n", attempts=5, backoff_s=1.0), body)
        await agent.predict({})
        return asyncio.get_running_loop().time()

    random.seed(7)
    totals = [run_virtually(main()) for _ in range(200)]
    assert 0 <= min(totals) < 7.5 < max(totals) <= 15


def test_a_retry_after_is_waited_for() -> None:
    async def main() -> float:
        body = Failing(ModelError("429", retryable=True, retry_after_s=5.0))
        await agent_of(Node("n", attempts=2, backoff_s=0.1), body).predict({})
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 5.0


def test_the_requests_deadline_bounds_attempts_and_pauses() -> None:
    async def main() -> tuple[float, int]:
        agent = agent_of(Node("n", timeout_s=2.0, attempts=9, backoff_s=0.0), forever)
        agent.request_timeout_s = 3.0
        with pytest.raises(NodeError) as caught:
            await agent.predict({})
        return asyncio.get_running_loop().time(), caught.value.attempts

    assert run_virtually(main()) == (3.0, 2)


def test_a_pause_past_the_deadline_is_not_begun() -> None:
    async def main() -> float:
        body = Failing(ModelError("429", retryable=True, retry_after_s=30.0))
        agent = agent_of(Node("n", attempts=2), body)
        with pytest.raises(NodeError):
            await agent.predict({}, {"x-envoy-expected-rq-timeout-ms": "5000"})
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 0.0


def test_a_cancelled_request_is_not_retried() -> None:
    async def main() -> int:
        calls = 0

        async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
            nonlocal calls
            calls += 1
            await asyncio.sleep(100)
            return {}

        agent = agent_of(Node("n", timeout_s=1000, attempts=5), body)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await agent.predict({})
        return calls

    assert run_virtually(main()) == 1


# Checks


def test_an_input_that_does_not_fit_is_not_retried() -> None:
    body = Failing()
    schema = Schema({"type": "integer"})
    error = failure_of(agent_of(Node("n", attempts=3, inputs={"x": schema}), body), {"x": "secret"})
    assert (body.calls, error.type) == (0, "invalid_input")
    assert error.reason == "input 'x' is not valid: expected integer"


def test_an_output_that_does_not_fit_is_retried() -> None:
    schema = Schema({"minimum": 2})
    agent = agent_of(Node("n", attempts=2, backoff_s=0, outputs={"call": schema}), Failing())
    assert run_virtually(agent.predict({})) == {"call": 2}
    error = failure_of(agent_of(Node("n", outputs={"call": schema}), Failing()))
    assert (error.type, error.kind) == ("validation_fail", "validation_fail")


def test_a_missing_context_field_is_a_bad_request() -> None:
    error = failure_of(agent_of(Node("n", requires_context=("user_id",)), echo))
    assert (error.type, error.status) == ("missing_context", 400)
    assert "user_id" in error.reason


# Error port and fallback


def test_the_error_port_delivers_what_happened() -> None:
    agent = agent_of(Node("n", attempts=2, backoff_s=0, error_port="error"), forever)
    assert run_virtually(agent.predict({})) == {
        "error": {
            "reason": "timed out",
            "type": "timeout",
            "node": "n",
            "attempts": 2,
            "fallback_available": False,
        }
    }


async def static(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    return {"fallback": dict(inputs)}


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TimeoutError(), "timeout"),
        (ValidationFailedError("no JSON"), "validation_fail"),
        (ModelError("401", retryable=False), "error"),
        (KeyError("k"), "error"),
    ],
)
def test_the_fallback_answers_to_its_kinds_alone(failure: Exception, kind: str) -> None:
    for on in ("timeout", "validation_fail", "error"):
        settings = Node("n", error_port="e", fallbacks=("other",), fallback_on=(on,))
        agent = agent_of(settings, Failing(failure), other=static)
        outputs = run_virtually(agent.predict({"x": 1}))
        if on == kind:
            assert outputs == {"fallback": {"x": 1}}
        else:
            assert outputs["e"]["fallback_available"] is True


def test_a_fallback_that_fails_is_the_nodes_failure() -> None:
    async def broken(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        raise ValueError("second")

    settings = Node("n", fallbacks=("other",), fallback_on=("error",))
    error = failure_of(agent_of(settings, Failing(OSError("first")), other=broken))
    assert error.detail == "ValueError: second"
    assert str(error.__cause__) == "second"


def test_a_fallback_that_takes_too_long_gives_way_to_the_next() -> None:
    async def main() -> tuple[Any, float]:
        async def late(agent: Any, inputs: Inputs, context: Context) -> Outputs:
            await asyncio.sleep(60)
            return {}

        fallbacks = ("late", "other")
        settings = Node("n", timeout_s=2.0, fallbacks=fallbacks, fallback_on=("error",))
        agent = agent_of(settings, Failing(KeyError("k")), late=late, other=static)
        return await agent.predict({"x": 1}), asyncio.get_running_loop().time()

    assert run_virtually(main()) == ({"fallback": {"x": 1}}, 2.0)


# Concurrency


def test_no_more_than_the_limit_run_at_once() -> None:
    async def main() -> tuple[int, float]:
        running, most = 0, 0

        async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            return {}

        agent = agent_of(Node("n", concurrency=3), body)
        await asyncio.gather(*(agent.predict({}) for _ in range(9)))
        return most, asyncio.get_running_loop().time()

    assert run_virtually(main()) == (3, 3.0)


# Ports


@pytest.mark.parametrize(
    ("result", "ports", "outputs"),
    [
        ({"a": 1, "b": 2}, ("a", "b"), {"a": 1, "b": 2}),
        ({"a": 1, "more": 2}, ("a",), {"a": 1}),
        ({"x": 1}, ("a",), {"a": {"x": 1}}),
        ({"a": None}, ("a",), {"a": None}),
        ({}, ("a",), {"a": {}}),
        ([1], ("a",), {"a": [1]}),
        (None, (), {}),
    ],
)
def test_a_result_is_read_by_port(result: Any, ports: tuple[str, ...], outputs: Outputs) -> None:
    assert by_port(result, *ports) == outputs


def test_outputs_are_complete_but_for_the_optional_ones() -> None:
    assert by_port({"a": 1}, "a", "b", optional=("b",)) == {"a": 1}
    assert by_port(None, "a", optional=("a",)) == {}
    with pytest.raises(ValidationFailedError, match="'b'"):
        by_port({"a": 1}, "a", "b")


def test_a_value_cannot_go_to_several_ports() -> None:
    with pytest.raises(ValidationFailedError, match="a, b"):
        by_port([1, 2], "a", "b")
