import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.delivery import ABSENT, output
from irc_runtime.errors import (
    AgentError,
    FlowError,
    LoadError,
    NoOutputError,
    RequestError,
    response_body,
)
from irc_runtime.events import JsonLines
from irc_runtime.node import Inputs, Node, Outputs, node
from irc_runtime.virtual_time import run_virtually


class Greeter(Agent):
    """Greets, and fails in several ways."""

    name = "greeter"
    source = "flows/greeter/flow.yaml"
    requires = ("user_id", "mood")
    optional = ("locale",)

    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run."""
        if request["mood"] == "silent":
            return output(ABSENT, reasons=("flow.yaml:9: value > 1",))
        if request["mood"] == "broken":
            return request["secret"]["key"]
        return await self.greet({"mood": request["mood"]}, ctx)

    @node(Node("greet", line=7))
    async def greet(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Greet."""
        if inputs["mood"] == "angry":
            raise ValueError("secret text")
        return {"locale": ctx.locale, "trace_id": ctx.trace_id}


class Handled(Greeter):
    """The same with a global error handler."""

    async def handle_error(self, error: Outputs, request: Inputs, ctx: Context) -> Any:
        """Answer in the flow's place."""
        if request["user_id"] == "unlucky":
            raise LookupError("secret")
        return {"sorry": dict(error)}


def loaded(agent_type: type[Agent]) -> Agent:
    agent = agent_type()
    agent.load()
    return agent


def predict(agent_type: type[Agent], mood: str, user_id: str = "u1") -> Any:
    request = {"user_id": user_id, "mood": mood, "trace_id": "t-1"}
    return run_virtually(loaded(agent_type).predict(request))


def test_an_agent_is_ready_once_loaded_and_until_closed() -> None:
    agent = Greeter()
    assert not agent.ready
    assert agent.load()
    assert agent.ready
    run_virtually(agent.close())
    assert not agent.ready


def test_closing_closes_what_the_agent_holds() -> None:
    closed = []

    class Edge:
        async def close(self) -> None:
            closed.append(self)

    agent: Any = loaded(Greeter)
    agent.http = Edge()
    run_virtually(agent.close())
    assert closed == [agent.http]


def test_nodes_are_listed_in_the_order_of_the_class() -> None:
    assert list(Handled.nodes) == ["greet"]


def test_all_missing_fields_are_named() -> None:
    with pytest.raises(RequestError) as caught:
        run_virtually(loaded(Greeter).predict({"mood": None, "trace_id": "t-1"}))
    assert caught.value.missing == ("user_id", "mood")
    assert response_body(caught.value, {"trace_id": "t-1"}) == {
        "error": "missing required fields: user_id, mood",
        "type": "missing_fields",
        "reason": "missing required fields: user_id, mood",
        "missing": ["user_id", "mood"],
        "trace_id": "t-1",
    }


def test_context_reaches_the_nodes() -> None:
    assert predict(Greeter, "happy") == {"locale": None, "trace_id": "t-1"}


def test_a_nodes_failure_tells_the_caller_where_and_not_what_with() -> None:
    with pytest.raises(AgentError) as caught:
        predict(Greeter, "angry")
    body = response_body(caught.value, {})
    assert body["node"] == "greet"
    assert body["location"] == "flows/greeter/flow.yaml:7"
    assert body["reason"].startswith(f"ValueError in {__name__}:")
    assert "secret" not in str(body)
    assert caught.value.trace_id == "t-1"


def test_a_failure_is_logged_without_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="irc")
    with pytest.raises(AgentError):
        predict(Greeter, "angry")
    record = next(item for item in caplog.records if item.levelname == "ERROR")
    line = JsonLines().format(record)
    for part in (
        '"node_failed"',
        '"t-1"',
        '"greet"',
        '"flows/greeter/flow.yaml:7"',
        '"ValueError in',
    ):
        assert part in line
    assert "secret" not in line
    assert "angry" not in line


def test_a_failure_between_nodes_is_one_of_the_flow() -> None:
    with pytest.raises(FlowError) as caught:
        predict(Greeter, "broken")
    assert caught.value.reason.startswith(f"KeyError in {__name__}:")
    assert str(caught.value) == "KeyError: 'secret'"


def test_an_output_that_nothing_reached_is_an_error() -> None:
    with pytest.raises(NoOutputError) as caught:
        predict(Greeter, "silent")
    assert caught.value.conditions == ("flow.yaml:9: value > 1",)


def test_the_error_handler_answers_in_the_flows_place() -> None:
    assert predict(Handled, "angry") == {
        "sorry": {
            "reason": "ValueError: secret text",
            "type": "error",
            "node": "greet",
            "attempts": 1,
            "fallback_available": False,
        }
    }
    assert predict(Handled, "silent")["sorry"]["type"] == "no_output"


def test_an_error_handler_that_fails_is_what_the_caller_sees() -> None:
    with pytest.raises(FlowError, match="LookupError"):
        predict(Handled, "angry", "unlucky")


def test_a_bad_request_does_not_reach_the_error_handler() -> None:
    request = {"user_id": "u1", "mood": "angry", "event_time": "soon"}
    with pytest.raises(RequestError, match="event_time"):
        run_virtually(loaded(Handled).predict(request))


class Slow(Greeter):
    """Greets after twenty seconds."""

    @node(Node("greet", line=7))
    async def greet(self, inputs: Inputs, ctx: Context) -> Outputs:
        """Greet."""
        await asyncio.sleep(20)
        return {}


def time_out(headers: Mapping[str, str] | None = None) -> float:
    """Seconds after which a request to a slow agent is given up."""

    async def main() -> float:
        with pytest.raises(AgentError) as caught:
            await loaded(Slow).predict({"user_id": "u1", "mood": "calm"}, headers)
        assert (caught.value.type, caught.value.status) == ("timeout", 504)
        return asyncio.get_running_loop().time()

    return run_virtually(main())


def test_a_deadline_header_bounds_the_request() -> None:
    assert time_out({"x-envoy-expected-rq-timeout-ms": "1500"}) == 1.5


def test_the_environment_bounds_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRC_REQUEST_TIMEOUT_S", "2.5")
    assert time_out() == 2.5
    assert time_out({"x-envoy-expected-rq-timeout-ms": "1500"}) == 1.5
    assert time_out({"x-envoy-expected-rq-timeout-ms": "7000"}) == 2.5


@pytest.mark.parametrize("header", ["0", "-5", "soon", "", "²", "9" * 5000])
def test_a_deadline_that_is_none_is_not_one(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRC_REQUEST_TIMEOUT_S", "2.5")
    assert time_out({"x-envoy-expected-rq-timeout-ms": header}) == 2.5


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_that_is_none_stops_the_agent(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRC_REQUEST_TIMEOUT_S", text)
    with pytest.raises(LoadError, match="IRC_REQUEST_TIMEOUT_S"):
        loaded(Greeter)
