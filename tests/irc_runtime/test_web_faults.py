"""An agent whose web service fails: what its caller sees, and what is left behind."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import NodeError
from irc_runtime.http import HttpClient
from irc_runtime.node import Inputs, Node, Outputs
from tests.irc_runtime.agents import agent_of
from tests.standins.web_server import WebServer

MEGABYTE = 2**20


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def agent_at(root: str, *, exchange_s: float | None = None, **settings: Any) -> Agent:
    """An agent of one node, which asks its web service for the path of the request."""

    async def fetch(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        response = await agent.http.get(f"{root}{inputs['path']}", timeout_s=exchange_s)
        return {"body": response.body}

    agent: Any = agent_of(Node("fetch", line=7, backoff_s=0.01, **settings), fetch)
    agent.http = HttpClient(root)
    return agent  # type: ignore[no-any-return]  # an agent with the attribute `http`


def answered(agent: Agent, path: str) -> Any:
    """The response's path; afterwards nothing of the request may be running."""

    async def main() -> Any:
        try:
            response = await agent.predict({"path": path})
            return response["body"]["path"]
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}
            await agent.close()

    return asyncio.run(main())


def failed(agent: Agent, path: str) -> NodeError:
    """The failure that the caller sees."""
    with pytest.raises(NodeError) as caught:
        answered(agent, path)
    error = caught.value
    assert (error.node, error.location) == ("fetch", "flow.yaml:7")
    assert "secret" not in error.reason
    return error


@pytest.mark.parametrize(
    ("path", "requests", "reason"),
    [
        ("/status/500", 2, "GET 127.0.0.1: status 500"),
        ("/status/503", 2, "GET 127.0.0.1: status 503"),
        ("/status/429", 2, "GET 127.0.0.1: status 429"),
        ("/status/404", 1, "GET 127.0.0.1: status 404"),
        ("/raw/application-json", 2, "127.0.0.1 sent malformed JSON"),
        ("/encoded/gzip", 2, "127.0.0.1 sent malformed gzip"),
        ("/cut", 2, "GET: no answer (RemoteProtocolError)"),
        (f"/headers/{MEGABYTE}", 2, "GET: no answer (RemoteProtocolError)"),
        (f"/big/{11 * MEGABYTE}", 1, "127.0.0.1 sent more than 10485760 bytes"),
        (f"/gzip/{50 * MEGABYTE}", 1, "127.0.0.1 sent more than 10485760 bytes"),
        ("/endless", 1, "127.0.0.1 sent more than 10485760 bytes"),
        ("/loop", 6, "127.0.0.1 leads on and on"),
        ("/to/http://169.254.169.254/secret", 1, "127.0.0.1 leads to another host"),
    ],
)
def test_a_failing_service_is_asked_again_only_where_that_can_help(
    server: WebServer, path: str, requests: int, reason: str
) -> None:
    error = failed(agent_at(server.url, attempts=2), path)
    assert (error.type, error.status, error.reason) == ("http", 500, reason)
    assert server.requests.total() == requests


@pytest.mark.parametrize("path", ["/status/503", "/cut", "/raw/application-json", "/encoded/gzip"])
def test_another_attempt_has_the_answer(server: WebServer, path: str) -> None:
    server.faults = 1
    assert answered(agent_at(server.url, attempts=2), path) == path
    assert server.requests[path] == 2


@pytest.mark.parametrize("limit", ["exchange_s", "timeout_s"])
def test_a_slow_service_is_a_timeout(server: WebServer, limit: str) -> None:
    settings: Any = {limit: 0.1}
    error = failed(agent_at(server.url, attempts=2, **settings), "/slow")
    assert (error.type, error.status, error.attempts) == ("timeout", 504, 2)
    assert server.requests["/slow"] == 2


def test_a_service_that_is_down_is_asked_again_once_it_is_up(server: WebServer) -> None:
    server.stop()
    error = failed(agent_at(server.url, attempts=3), "/echo")
    assert (error.type, error.attempts) == ("http", 3)
    assert error.reason == "GET: no answer (ConnectError)"
    server.start()
    assert answered(agent_at(server.url), "/echo") == "/echo"


def test_a_name_that_is_not_found_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def getaddrinfo(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "secret")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failed(agent_at("http://orders.example.com", attempts=2), "/x")
    assert (error.type, error.reason) == ("http", "GET: no answer (ConnectError)")
    assert len(asked) == 2


def test_a_service_that_asks_for_a_pause_is_given_it_unless_the_request_ends_first(
    server: WebServer,
) -> None:
    server.faults = 1
    agent = agent_at(server.url, attempts=2)
    assert answered(agent, "/busy/0.2") == "/busy/0.2"
    late: Any = agent_at(server.url, attempts=2)
    late.request_timeout_s = 5.0
    error = failed(late, "/busy/60")
    assert (error.attempts, error.reason) == (1, "GET 127.0.0.1: status 429")


def test_a_caller_that_goes_away_takes_its_exchange_along(server: WebServer) -> None:
    agent = agent_at(server.url)

    async def main() -> None:
        agent.http._max_response_bytes = 10**12  # type: ignore[attr-defined]  # see agent_at
        task = asyncio.create_task(agent.predict({"path": "/endless"}))
        while not server.requests["/endless"]:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await agent.close()

    asyncio.run(main())
    assert server.abandoned.wait(10)
