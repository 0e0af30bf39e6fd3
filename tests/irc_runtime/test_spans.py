"""Spans of what nodes use, by the real SDK, and links where requests share a call."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from irc_runtime import tracing
from irc_runtime.cache import CacheSpec
from irc_runtime.chat import ToolCall
from irc_runtime.context import Context
from irc_runtime.errors import ModelError, NodeError
from irc_runtime.features import FeatureRead
from irc_runtime.features.load import load_features
from irc_runtime.features.sqlite import SqliteFeatures
from irc_runtime.http import HttpClient
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.schema import Schema
from irc_runtime.serving.otel import OpenTelemetryTracer, use_trace_context_alone
from irc_runtime.state import StateSpec, StateStore
from irc_runtime.state.redis import RedisBackend
from irc_runtime.tools import Tool, run_calls
from tests.irc_runtime.agents import Failing, agent_of
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.redis_server import RedisServer
from tests.standins.web_server import WebServer


class Recorded:
    """The spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def all(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.all(name)
        return span

    def parent(self, span: ReadableSpan) -> ReadableSpan:
        assert span.parent is not None
        (found,) = [s for s in self.spans if id_of(s) == span.parent.span_id]
        return found


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Tracing that is on, for the length of a test."""
    found = Recorded()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(found.exporter))
    use_trace_context_alone()
    monkeypatch.setattr(tracing, "tracer", OpenTelemetryTracer(provider))
    return found


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def store_of(folder: Path) -> SqliteFeatures:
    source = folder / "customers.csv"
    source.write_text(
        "user_id,event_time,plan\nu1,2024-01-01,gold\nu2,2024-01-01,free\nu3,2024-01-01,free\n"
    )
    path = folder / "features.db"
    load_features(
        source, path, name="customers", version=1, key=("user_id",), event_time="event_time"
    )
    return SqliteFeatures(str(path))


READ = FeatureRead("customers", kind="feature_view", key=("user_id",))


def test_reads_of_several_requests_in_one_call_are_linked_with_it(
    recorded: Recorded, tmp_path: Path
) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"row": await agent.features.read(READ, {"user_id": inputs["user_id"]})}

    async def main() -> None:
        agent: Any = agent_of(Node("fetch"), body)
        agent.features = store_of(tmp_path)
        await asyncio.gather(*(agent.predict({"user_id": f"u{n}"}) for n in (1, 2, 3)))
        await agent.close()

    asyncio.run(main())
    call = recorded.one("SELECT customers")
    first, *others = sorted(recorded.all("read customers"), key=lambda span: span.start_time or 0)
    assert len(others) == 2
    assert recorded.parent(call) is first
    assert dict(call.attributes or {})["db.operation.batch.size"] == 3
    assert linked(call) == {id_of(span) for span in others}
    assert [linked(span) for span in (first, *others)] == [set(), {id_of(call)}, {id_of(call)}]
    assert len({span.context.trace_id for span in (first, *others) if span.context}) == 3


def test_a_batch_is_recorded_where_only_some_of_its_requests_are(
    recorded: Recorded, tmp_path: Path
) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"row": await agent.features.read(READ, {"user_id": inputs["user_id"]})}

    unsampled = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}

    async def main() -> None:
        agent: Any = agent_of(Node("fetch"), body)
        agent.features = store_of(tmp_path)
        await asyncio.gather(
            agent.predict({"user_id": "u1"}, unsampled), agent.predict({"user_id": "u2"})
        )
        await agent.close()

    asyncio.run(main())
    assert recorded.parent(recorded.one("SELECT customers")) is recorded.one("read customers")


def test_a_shared_result_is_linked_with_the_node_that_makes_it(recorded: Recorded) -> None:
    release = asyncio.Event()

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await release.wait()
        return {"value": 1}

    agent = agent_of(
        Node("work", cache=CacheSpec(ttl_s=60), cache_key=lambda inputs, context: 1), body
    )

    async def main() -> None:
        calls = [asyncio.create_task(agent.predict({})) for _ in range(2)]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*calls)
        await agent.predict({})

    asyncio.run(main())
    by_result = {
        dict(span.attributes or {})["irc.cache"]: span for span in recorded.all("node work")
    }
    assert set(by_result) == {"miss", "shared", "hit"}
    assert recorded.parent(recorded.one("attempt work")) is by_result["miss"]
    assert linked(by_result["shared"]) == {id_of(by_result["miss"])}
    assert linked(by_result["hit"]) == set()


def test_a_fallback_has_a_span_below_the_node(recorded: Recorded) -> None:
    async def instead(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"value": "constant"}

    agent = agent_of(
        Node("work", fallbacks=("instead",), fallback_on=("error",)),
        Failing(ModelError("away", retryable=False)),
        instead=instead,
    )
    assert asyncio.run(agent.predict({})) == {"value": "constant"}
    node = recorded.one("node work")
    assert recorded.parent(recorded.one("fallback work")) is node
    assert dict(node.attributes or {})["irc.handler"] == "fallback"
    assert node.status.status_code is StatusCode.UNSET
    assert recorded.one("attempt work").status.status_code is StatusCode.ERROR


def test_an_attempt_that_times_out_says_so(recorded: Recorded) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await asyncio.sleep(60)
        return {}

    agent = agent_of(Node("work", timeout_s=0.01), body)
    with pytest.raises(NodeError):
        asyncio.run(agent.predict({}))
    for span in (recorded.one("attempt work"), recorded.one("node work")):
        assert dict(span.attributes or {})["error.type"] == "timeout"
        assert span.status.description == "timed out"


def test_what_is_cancelled_is_no_failure(recorded: Recorded) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await asyncio.sleep(60)
        return {}

    agent = agent_of(Node("work"), body)

    async def main() -> None:
        async with asyncio.timeout(0.01):
            await agent.predict({})

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert len(recorded.spans) == 3
    for span in recorded.spans:
        assert dict(span.attributes or {})["irc.cancelled"] is True
        assert span.status.status_code is StatusCode.UNSET


def test_the_text_of_other_codes_exceptions_is_not_said(recorded: Recorded) -> None:
    agent = agent_of(Node("work"), Failing(ValueError("secret of the request")))
    with pytest.raises(NodeError):
        asyncio.run(agent.predict({}))
    attempt = recorded.one("attempt work")
    assert attempt.status.description is not None
    assert attempt.status.description.startswith("ValueError in ")
    assert all("secret" not in span.to_json() for span in recorded.spans)


def test_a_tools_node_is_below_the_call_of_the_tool(recorded: Recorded) -> None:
    tool = Tool("look_up", "work", Schema({"type": "object"}))

    async def ask(agent: Any, request: Inputs, context: Context) -> Any:
        with tracing.span("chat"):
            return await run_calls([tool], [ToolCall("call_1", "look_up", "{}")], agent, context)

    agent = agent_of(Node("work"), Failing(), run=ask)
    asyncio.run(agent.predict({}))
    call = recorded.one("execute_tool look_up")
    assert dict(call.attributes or {}) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look_up",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_1",
    }
    assert recorded.parent(call) is recorded.one("chat")
    assert recorded.parent(recorded.one("node work")) is call


@pytest.mark.parametrize("chosen", [False, True])
def test_a_web_service_has_a_span_without_path_and_query(
    recorded: Recorded, web: WebServer, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    host, _, port = web.url.removeprefix("http://").partition(":")
    monkeypatch.setenv("IRC_HTTP_HOSTS", f"{host}:{port}")

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        address = f"{web.url}/status/503?key=secret"
        await agent.http.get(address, chosen_host=chosen)
        return {}

    async def main() -> None:
        agent: Any = agent_of(Node("work"), body)
        agent.http = HttpClient(web.url)
        try:
            with pytest.raises(NodeError):
                await agent.predict({})
        finally:
            await agent.close()

    asyncio.run(main())
    call = recorded.one("GET")
    where = {} if chosen else {"server.address": host, "server.port": int(port)}
    assert dict(call.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 503,
        "error.type": "503",
        **where,
    }
    assert call.status.status_code is StatusCode.ERROR
    assert recorded.parent(call) is recorded.one("attempt work")
    assert all("secret" not in span.to_json() for span in recorded.spans)


def test_calls_to_redis_have_spans_below_the_attempt(
    recorded: Recorded, redis: RedisServer
) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context, state: Any) -> Outputs:
        await state.set("turn", "secret")
        return {}

    settings = Node("count", state=StateSpec(scope="session", key="{session_id}", backend="redis"))

    async def main() -> None:
        agent = agent_of(settings, body, StateStore(redis=RedisBackend("agent")))
        await agent.predict({"session_id": "secret"})
        await agent.close()

    asyncio.run(main())
    take, write, give = (recorded.one(f"EVALSHA {name}") for name in ("take", "write", "give"))
    attempt = recorded.one("attempt count")
    assert [recorded.parent(span) for span in (take, write, give)] == [attempt] * 3
    assert dict(take.attributes or {}) == {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": "take",
        "server.address": "127.0.0.1",
        "server.port": int(redis.url.rpartition(":")[2].partition("/")[0]),
    }
    assert all("secret" not in span.to_json() for span in recorded.spans)


def test_calls_to_hopsworks_have_spans(recorded: Recorded, tmp_path: Path) -> None:
    from irc_runtime.hopsworks.features import HopsworksFeatures

    view = FeatureRead("customers", kind="feature_view", version=3, key=("customer_id",))

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"row": await agent.features.read(view, {"customer_id": "u1"})}

    async def main() -> None:
        agent: Any = agent_of(Node("fetch"), body)
        agent.features = HopsworksFeatures([view])
        await agent.predict({})
        await agent.close()

    with hopsworks_project(tmp_path):
        asyncio.run(main())
    call = recorded.one("read_vectors customers")
    assert dict(call.attributes or {}) == {
        "db.system.name": "hopsworks",
        "db.operation.name": "read_vectors",
        "db.collection.name": "customers",
    }
    assert recorded.parent(call) is recorded.one("read customers")


SENT = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "vendor=1",
}


@pytest.mark.parametrize(
    ("headers", "own", "passed_on"),
    [
        ({**SENT, "cookie": "secret"}, {}, SENT),
        ({"tracestate": "vendor=1"}, {}, {}),
        ({"traceparent": "malformed", "tracestate": "vendor=1"}, {}, {}),
        (SENT, {"traceparent": "the flow's"}, {**SENT, "traceparent": "the flow's"}),
    ],
)
def test_where_tracing_is_off_a_service_gets_the_callers_trace(
    web: WebServer, headers: dict[str, str], own: dict[str, str], passed_on: dict[str, str]
) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await agent.http.get(f"{web.url}/echo", headers=own)
        return {}

    async def main() -> None:
        agent: Any = agent_of(Node("work"), body)
        agent.http = HttpClient(web.url)
        await agent.predict({}, headers)
        await agent.close()

    asyncio.run(main())
    found = {name: web.headers[name] for name in (*SENT, "cookie") if name in web.headers}
    assert found == passed_on


def test_where_tracing_is_on_a_service_gets_the_span_that_calls_it(
    recorded: Recorded, web: WebServer
) -> None:
    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await agent.http.get(f"{web.url}/echo")
        return {}

    async def main() -> None:
        agent: Any = agent_of(Node("work"), body)
        agent.http = HttpClient(web.url)
        await agent.predict({}, SENT)
        await agent.close()

    asyncio.run(main())
    trace_id = SENT["traceparent"].split("-")[1]
    assert web.headers["traceparent"] == f"00-{trace_id}-{id_of(recorded.one('GET')):016x}-01"
    assert web.headers["tracestate"] == SENT["tracestate"]
