"""Flows that ask web services, compiled and run against a real one."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from irc.addresses import open_address
from irc_runtime.errors import NodeError
from tests.irc.compiling import agent_of
from tests.standins.web_server import WebServer

FLOW = """\
version: "1.0"
metadata: {{name: asking}}
context: {{optional: [host, path]}}
nodes:
  ask:
    inputs: [{{name: host, type: string, optional: true}}, {{name: path, type: string, optional: true}}]
    outputs: [{{name: body, type: object}}]
    transform:
      mode: declarative
      spec: {{op: http.get, args: {{url: "{url}"}}}}
  other:
    outputs: [{{name: body, type: object}}]
    transform:
      mode: declarative
      spec: {{op: http.get, args: {{url: "{other}"}}}}
edges:
  - {{from: _input.host, to: ask.host}}
  - {{from: _input.path, to: ask.path}}
  - {{from: ask.body, to: _output.ask}}
  - {{from: other.body, to: _output.other}}
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    with WebServer() as server:
        monkeypatch.setenv("BASE", server.url)
        monkeypatch.setenv("PORT", str(server.port))
        monkeypatch.delenv("IRC_HTTP_HOSTS", raising=False)
        yield server


def asked(server: WebServer, url: str, **request: Any) -> Any:
    """What the flow's services answer; one of the two is always there."""
    other = f"{server.url}/echo/other"
    agent = agent_of(FLOW.format(url=url.replace("LITERAL", server.url), other=other))()
    agent.load()

    async def main() -> Any:
        try:
            return await agent.predict(request)
        finally:
            await agent.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    "url",
    [
        "LITERAL/echo/x",
        "${env.BASE}/echo/${path}",
        "http://127.0.0.1:${env.PORT}/echo/${context.path}",
    ],
)
def test_a_host_that_the_flow_or_its_environment_says_is_asked(server: WebServer, url: str) -> None:
    answer = asked(server, url, path="x")
    assert answer["ask"]["path"] == "/echo/x"
    assert answer["other"]["path"] == "/echo/other"


def test_a_path_makes_no_other_host_of_a_variable_even_one_that_another_node_asks(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path of ``1:<port>/x`` makes of ``http://127.0.0.`` the host that the other node asks."""
    monkeypatch.setenv("BASE", "http://127.0.0.")
    path = f"1:{server.port}/echo/x"
    with pytest.raises(NodeError, match="the host is not declared") as caught:
        asked(server, "${env.BASE}${path}", path=path)
    assert caught.value.node == "ask"
    assert server.requests["/echo/x"] == 0
    monkeypatch.setenv("BASE", server.url)
    assert asked(server, "${env.BASE}${path}", path="/echo/x")["ask"]["path"] == "/echo/x"
    monkeypatch.setenv("BASE", "http://127.0.0.")
    monkeypatch.setenv("IRC_HTTP_HOSTS", f"127.0.0.1:{server.port}")
    assert asked(server, "${env.BASE}${path}", path=path)["ask"]["path"] == "/echo/x"


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("${env.BASE}${path}", "${env.BASE}"),
        ("${env.BASE}-${env.ZONE}${path}", "${env.BASE}-${env.ZONE}"),
        ("${env.BASE}/${path}", None),
        ("${env.BASE}?q=${path}", None),
        ("${env.BASE}", None),
        ("${path}${env.BASE}", None),
        ("https://api.example.com${path}", None),
        ("https://api.example.com/${path}", None),
    ],
)
def test_where_a_value_may_extend_the_host_that_the_flow_says(url: str, start: str | None) -> None:
    assert open_address(url) == start


@pytest.mark.parametrize(
    "url",
    ["http://${host}/echo/x", "http://${context.host}/echo/x", "${host}", "${env.BASE}${host}"],
)
def test_a_host_that_the_request_says_is_asked_where_the_operator_names_it(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    host = f"127.0.0.1:{server.port}"
    if url == "${host}":
        host = f"http://{host}/echo/x"
    if "env" in url:  # what stands behind the variable makes another host of it
        host = "@127.0.0.1/echo/x"
    with pytest.raises(NodeError, match="the host is not declared") as caught:
        asked(server, url, host=host)
    assert caught.value.node == "ask"
    assert server.requests["/echo/x"] == 0
    if "env" not in url:
        monkeypatch.setenv("IRC_HTTP_HOSTS", f"127.0.0.1:{server.port}")
        assert asked(server, url, host=host)["ask"]["path"] == "/echo/x"
