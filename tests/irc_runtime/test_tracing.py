"""Traces of a served agent, as a collector gets them from the real SDK."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from irc_runtime.features.load import load_features
from tests.irc_runtime import streaming_agent
from tests.irc_runtime.served import Served, free_port, until
from tests.irc_runtime.support_agent import SupportAgent
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, Failure
from tests.standins.otlp_collector import CollectedSpan, OtlpCollector

REQUEST = {"user_id": "u1", "session_id": "s1", "query": "secret question"}
REPLY = {"text": "secret answer", "sentiment": "neutral", "escalate": False}
CALLER = "00f067aa0ba902b7"

#: The spans of a request to the support agent that is answered: name, kind, and those below.
ANSWERED = """\
invoke_workflow support SERVER
  node fetch_customer INTERNAL
    attempt fetch_customer INTERNAL
      read customers INTERNAL
        SELECT customers CLIENT
  node remember INTERNAL
    attempt remember INTERNAL
  node priority INTERNAL
    attempt priority INTERNAL
  node answer INTERNAL
    attempt answer INTERNAL
      chat gpt-4o-mini CLIENT
  node respond INTERNAL
    attempt respond INTERNAL
"""


def tree(spans: Sequence[CollectedSpan], parent: str, depth: int = 0) -> str:
    """Spans below a parent, in the order in which nodes stand in the flow."""
    order = ["fetch_customer", "remember", "priority", "answer", "apologise", "respond"]

    def place(span: CollectedSpan) -> tuple[int, int]:
        node = span.attributes.get("irc.node", "")
        return (order.index(node) if node in order else 0, span.start_ns)

    below = sorted((span for span in spans if span.parent == parent), key=place)
    return "".join(
        "  " * depth + f"{span.name} {span.kind}\n" + tree(spans, span.span_id, depth + 1)
        for span in below
    )


def named(spans: Sequence[CollectedSpan], name: str) -> CollectedSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def caller(trace_id: str, *, sampled: bool = True) -> dict[str, str]:
    """The headers of a caller's span."""
    flags = "01" if sampled else "00"
    return {"traceparent": f"00-{trace_id}-{CALLER}-{flags}", "tracestate": "vendor=1"}


def spans_of(collector: OtlpCollector, trace_id: str) -> list[CollectedSpan]:
    """The spans of a request, once its own, which ends last, has come."""

    def own() -> list[CollectedSpan]:
        return [span for span in collector.spans if span.trace_id == trace_id]

    collector.wait_for(lambda _: any(span.kind == "SERVER" for span in own()))
    return own()


@pytest.fixture
def trace_id() -> str:
    return uuid4().hex


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as open_collector:
        yield open_collector


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracing")


@pytest.fixture(scope="module")
def environment(model: OpenAIServer, collector: OtlpCollector, folder: Path) -> dict[str, str]:
    source = folder / "customers.csv"
    source.write_text("user_id,event_time,name,plan\nu1,2024-01-01,Ada,gold\n")
    store = folder / "features.db"
    load_features(
        source, store, name="customers", version=1, key=("user_id",), event_time="event_time"
    )
    return {
        "PATH": "/usr/bin:/bin",
        "IRC_FEATURES": f"sqlite:///{store}",
        "OPENAI_API_KEY": "key-of-tests",
        "OPENAI_BASE_URL": model.base_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }


@pytest.fixture(scope="module")
def served(environment: dict[str, str], folder: Path) -> Iterator[Served]:
    agent = Served(environment, folder)
    try:
        agent.wait_until_ready()
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.stop()


def test_a_request_is_traced_below_its_caller(
    served: Served, model: OpenAIServer, collector: OtlpCollector, trace_id: str
) -> None:
    model.script(Answer(REPLY))
    answer = served.predict(REQUEST, headers=caller(trace_id))
    assert answer.json()["trace_id"] == trace_id
    spans = spans_of(collector, trace_id)
    assert tree(spans, CALLER) == ANSWERED
    assert {span.status for span in spans} == {"UNSET"}
    assert named(spans, "invoke_workflow support").attributes == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "support",
    }
    node = named(spans, "node answer")
    line = vars(SupportAgent.nodes["answer"])["settings"].line
    assert node.attributes == {
        "irc.agent": "support",
        "irc.node": "answer",
        "code.file.path": "flows/support/flow.yaml",
        "code.line.number": line,
    }
    assert named(spans, "attempt answer").attributes == {"irc.node": "answer", "irc.attempt": 1}
    assert named(spans, "read customers").attributes == {"db.collection.name": "customers"}
    assert named(spans, "SELECT customers").attributes == {
        "db.system.name": "sqlite",
        "db.operation.name": "SELECT",
        "db.collection.name": "customers",
    }
    assert node.resource["service.name"] == "support"


def test_a_call_of_a_model_follows_the_conventions_and_says_no_content(
    served: Served, model: OpenAIServer, collector: OtlpCollector, trace_id: str
) -> None:
    model.script(Answer(REPLY))
    served.predict(REQUEST, headers=caller(trace_id))
    spans = spans_of(collector, trace_id)
    call = named(spans, "chat gpt-4o-mini")
    usage = {
        name: call.attributes[f"gen_ai.usage.{name}"] for name in ("input_tokens", "output_tokens")
    }
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 400,
        "gen_ai.output.type": "json",
        "gen_ai.response.finish_reasons": ["stop"],
        "irc.node": "answer",
        **{f"gen_ai.usage.{name}": tokens for name, tokens in usage.items()},
    }
    assert all(tokens > 0 for tokens in usage.values())
    (event,) = of_trace(served, "model_called", trace_id)
    assert {"input_tokens": event["input_tokens"], "output_tokens": event["output_tokens"]} == usage
    assert "secret" not in str(spans) and "key-of-tests" not in str(spans)


def test_a_models_server_gets_the_span_that_calls_it(
    served: Served, model: OpenAIServer, collector: OtlpCollector, trace_id: str
) -> None:
    model.script(Answer(REPLY))
    served.predict(REQUEST, headers={**caller(trace_id), "baggage": "plan=gold"})
    call = named(spans_of(collector, trace_id), "chat gpt-4o-mini")
    assert model.last.headers["traceparent"] == f"00-{trace_id}-{call.span_id}-01"
    assert model.last.headers["tracestate"] == "vendor=1"
    assert "baggage" not in model.last.headers


def test_attempts_that_fail_and_what_takes_the_failure_are_in_the_trace(
    served: Served, model: OpenAIServer, collector: OtlpCollector
) -> None:
    model.script(Failure(503), Failure(503))
    answer = served.predict(REQUEST)
    assert answer.status_code == 200
    spans = spans_of(collector, answer.json()["trace_id"])
    attempts = [span for span in spans if span.name == "attempt answer"]
    assert [span.attributes["irc.attempt"] for span in attempts] == [1, 2]
    calls = [span for span in spans if span.name == "chat gpt-4o-mini"]
    assert [span.parent for span in calls] == [span.span_id for span in attempts]
    for span in (*attempts, *calls):
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "error")
        assert "503" in span.message
    node = named(spans, "node answer")
    assert (node.status, node.attributes["irc.handler"]) == ("UNSET", "error_port")
    assert named(spans, "node apologise").parent == node.parent
    assert named(spans, "invoke_workflow support").status == "UNSET"


def test_a_request_that_fails_has_a_span_that_says_so(
    served: Served, collector: OtlpCollector
) -> None:
    answer = served.predict({**REQUEST, "user_id": "nobody"})
    assert answer.status_code == 500
    spans = spans_of(collector, answer.json()["trace_id"])
    for name in ("invoke_workflow support", "node fetch_customer", "attempt fetch_customer"):
        span = named(spans, name)
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "row_not_found")
        assert "nobody" not in span.message


def test_events_of_a_traced_request_say_trace_node_line_and_span(
    served: Served, model: OpenAIServer, collector: OtlpCollector, trace_id: str
) -> None:
    model.script(Failure(503), Answer(REPLY))
    served.predict(REQUEST, headers=caller(trace_id))
    by_id = {span.span_id: span for span in spans_of(collector, trace_id)}
    (failed,) = of_trace(served, "attempt_failed", trace_id)
    (called,) = of_trace(served, "model_called", trace_id)
    for event, name in ((failed, "node answer"), (called, "chat gpt-4o-mini")):
        assert event["node"] == "answer"
        assert event["location"].startswith("flows/support/flow.yaml:")
        assert by_id[event["span_id"]].name == name


def of_trace(served: Served, name: str, trace_id: str) -> list[dict[str, Any]]:
    """The events of a request, of which there is at least one."""

    def found() -> list[dict[str, Any]]:
        return [event for event in served.named(name) if event["trace_id"] == trace_id]

    until(found, lambda: served.log)
    return found()


def test_a_request_with_a_trace_id_of_its_own_is_found_by_it(
    served: Served, model: OpenAIServer, collector: OtlpCollector, trace_id: str
) -> None:
    model.script(Answer(REPLY))
    request = {**REQUEST, "trace_id": "t-1"}
    assert served.predict(request, headers=caller(trace_id)).json()["trace_id"] == "t-1"
    spans = spans_of(collector, trace_id)
    assert named(spans, "invoke_workflow support").attributes["irc.request.trace_id"] == "t-1"


def test_a_caller_that_does_not_sample_is_followed(
    served: Served, model: OpenAIServer, collector: OtlpCollector, trace_id: str
) -> None:
    model.script(Answer(REPLY), Answer(REPLY))
    answer = served.predict(REQUEST, headers=caller(trace_id, sampled=False))
    assert answer.json()["trace_id"] == trace_id
    passed_on = model.last.headers["traceparent"]
    assert passed_on.startswith(f"00-{trace_id}-") and passed_on.endswith("-00")
    assert spans_of(collector, served.predict(REQUEST).json()["trace_id"])
    assert trace_id not in {span.trace_id for span in collector.spans}


def test_the_environment_names_service_and_sampler(
    environment: dict[str, str],
    model: OpenAIServer,
    collector: OtlpCollector,
    tmp_path: Path,
    trace_id: str,
) -> None:
    """And spans that wait are sent at the end, however long batches are to wait for others."""
    agent = Served(
        {
            **environment,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
        },
        tmp_path,
    )
    try:
        agent.wait_until_ready()
        model.script(Answer(REPLY), Answer(REPLY))
        agent.predict(REQUEST)
        agent.predict(REQUEST, headers=caller(trace_id))
    finally:
        assert agent.stop() == 0
    shops = [span for span in collector.spans if span.resource["service.name"] == "shop"]
    assert tree(shops, CALLER) == ANSWERED
    assert {span.trace_id for span in shops} == {trace_id}
    assert shops[0].resource["deployment.environment.name"] == "test"


def test_a_streamed_answer_says_when_it_began(
    environment: dict[str, str],
    model: OpenAIServer,
    collector: OtlpCollector,
    tmp_path: Path,
    trace_id: str,
) -> None:
    agent = Served(environment, tmp_path, module=streaming_agent.__name__, name="talking")
    try:
        agent.wait_until_ready()
        model.script(Answer("Hello there."))
        headers = {"accept": "text/event-stream", **caller(trace_id)}
        agent.predict({"query": "Hello"}, headers=headers)
        call = named(spans_of(collector, trace_id), "chat gpt-test")
        assert call.attributes["gen_ai.request.stream"] is True
        seconds = (call.end_ns - call.start_ns) / 1e9
        assert 0 < call.attributes["gen_ai.response.time_to_first_chunk"] <= seconds
        page = httpx.get(agent.url("/metrics")).text
        assert 'irc_request_time_to_first_token_seconds_count{agent="talking"} 1.0' in page
    finally:
        agent.stop()


def test_a_collector_that_is_down_fails_no_request(
    environment: dict[str, str], model: OpenAIServer, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    agent = Served({**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": nobody}, tmp_path)
    try:
        agent.wait_until_ready()
        model.script(*[Answer(REPLY)] * 20)
        answers = [agent.predict(REQUEST) for _ in range(20)]
        assert [answer.status_code for answer in answers] == [200] * 20
        until(lambda: "Failed to export span" in agent.log, lambda: agent.log)
        model.script(Answer(REPLY))
        agent.predict(REQUEST)
    finally:
        assert agent.stop() == 0
    agent.wait_for_event("spans_lost")


def test_a_collector_that_hangs_fails_no_request_and_is_not_waited_for(
    environment: dict[str, str], model: OpenAIServer, tmp_path: Path
) -> None:
    """And what it misses in that time is bounded: the latest spans wait, and are sent when it is back."""
    with OtlpCollector() as hanging:
        hanging.hangs.set()
        queue = {
            "OTEL_BSP_MAX_QUEUE_SIZE": "30",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",  # or a batch is sent anew, where requests are slow
        }
        agent = Served(
            {**environment, **queue, "OTEL_EXPORTER_OTLP_ENDPOINT": hanging.url}, tmp_path
        )
        try:
            agent.wait_until_ready()
            model.script(*[Answer(REPLY)] * 21)
            answers = [agent.predict(REQUEST) for _ in range(20)]
            assert [answer.status_code for answer in answers] == [200] * 20
            until(lambda: "Queue full, dropping Span" in agent.log, lambda: agent.log)
            assert hanging.requests == 1 and hanging.spans == []
            hanging.hangs.clear()
            last = agent.predict(REQUEST).json()["trace_id"]
            spans_of(hanging, last)
            assert len(hanging.spans) <= 10 + 30 + len(ANSWERED.splitlines())
            hanging.hangs.set()
            model.script(Answer(REPLY))
            agent.predict(REQUEST)
            until(lambda: hanging.is_asked)
        finally:
            assert agent.stop() == 0
        agent.wait_for_event("spans_lost")
