import asyncio
import threading
import time
from typing import Any

import pytest

from irc_runtime.testing import UnmockedEdgeError, run_case, run_node
from irc_runtime.virtual_time import run_virtually
from tests.irc_runtime.support_agent import SupportAgent

REQUEST = {"user_id": "u1", "session_id": "s1", "query": "Where?", "trace_id": "t-1"}
CUSTOMER = {"outputs": {"customer": {"name": "Ada", "plan": "gold"}}}
ANSWER = {"completion": '{"text": "Here.", "sentiment": "neutral", "escalate": false}'}
ALL = {"fetch_customer", "remember", "priority", "answer", "apologise", "respond"}


def case(**mocks: Any) -> Any:
    return run_case(SupportAgent, REQUEST, {"fetch_customer": CUSTOMER, **mocks})


def test_a_case_runs_the_flow_with_its_prompts_and_schemas() -> None:
    result = case(answer=ANSWER)
    assert (result.status, result.error) == (200, None)
    assert result.output == {
        "answer": "Here.",
        "escalate": False,
        "priority": "high",
        "earlier": [],
        "trace_id": "t-1",
    }
    assert result.skipped == {"apologise"}
    assert result.ran == ALL - {"apologise"}


def test_an_invalid_completion_takes_the_fallback() -> None:
    assert case(answer={"completion": "no JSON"}).output["answer"] == "Thank you."


def test_an_error_takes_the_error_port() -> None:
    result = case(answer={"error": "connection refused"})
    assert (result.status, result.output["answer"]) == (200, "Sorry")
    assert result.skipped == frozenset()


def test_outcomes_are_given_to_attempts_in_order() -> None:
    assert case(answer=[{"error": "down"}, ANSWER]).output["answer"] == "Here."
    assert case(answer=[{"completion": "?"}, ANSWER]).output["answer"] == "Here."
    assert case(answer=[{"delay_ms": 30_000}, ANSWER]).output["answer"] == "Here."


def test_a_failure_that_nobody_takes_has_status_and_text() -> None:
    result = case(fetch_customer={"error": {"type": "row_not_found", "reason": "no row"}})
    assert result.status == 500
    assert result.error == (
        "flows/support/flow.yaml:15: node 'fetch_customer' failed (row_not_found): no row"
    )
    assert case(fetch_customer={"delay_ms": 501}).status == 504


def test_missing_fields_are_a_bad_request() -> None:
    result = run_case(SupportAgent, {"user_id": "u1"}, {})
    assert result.status == 400
    assert not result.ran
    assert result.skipped == ALL
    assert result.error == "missing required fields: session_id, query"


def test_an_edge_without_a_mock_fails_the_test_and_not_the_flow() -> None:
    with pytest.raises(UnmockedEdgeError, match="'answer' asks a model"):
        case()
    with pytest.raises(UnmockedEdgeError, match="'fetch_customer' reads features"):
        run_case(SupportAgent, REQUEST, {})


@pytest.mark.parametrize("mocks", [{"anwser": {}}, {"answer": {"output": {}}}, {"answer": ["x"]}])
def test_mocks_that_do_not_fit_are_refused(mocks: Any) -> None:
    with pytest.raises(ValueError, match=r"anwser|answer"):
        run_case(SupportAgent, REQUEST, mocks)


def node(node_id: str, outcomes: Any) -> Any:
    return run_node(SupportAgent, node_id, {"user_id": "u1"}, REQUEST, outcomes)


def test_a_node_runs_alone_with_its_real_settings() -> None:
    result = node("fetch_customer", [{"error": "down"}, CUSTOMER])
    assert result.outputs == CUSTOMER["outputs"]
    assert (result.error, result.attempts) == (None, 2)
    assert 0 <= result.delays_s[0] <= 0.05


def test_a_nodes_failure_is_given_back() -> None:
    result = node("fetch_customer", {"delay_ms": 501})
    assert (result.error.type, result.attempts, result.outputs) == ("timeout", 2, {})
    result = node("answer", {"error": "down"})
    assert result.error is None
    assert result.outputs["error"]["attempts"] == result.attempts == 2


def test_outputs_of_outcomes_are_checked() -> None:
    result = node("priority", {"outputs": {"level": "extreme"}})
    assert result.error.type == "validation_fail"


# Virtual time


def test_waiting_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(10**9)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtually(main()) == 10**9
    assert time.monotonic() - began < 1


def test_the_clock_stands_still_while_a_thread_works() -> None:
    async def main() -> None:
        async with asyncio.timeout(0.05):
            await asyncio.to_thread(threading.Event().wait, 0.2)

    run_virtually(main())


def test_a_deadlock_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is left"):
        run_virtually(main())
