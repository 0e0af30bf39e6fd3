"""Metrics of a served agent, as Prometheus reads them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from irc_runtime.cache import CacheSpec
from irc_runtime.context import Context
from irc_runtime.errors import (
    AgentError,
    MissingContextError,
    ModelError,
    ValidationFailedError,
)
from irc_runtime.features.load import load_features
from irc_runtime.metrics import (
    BOUNDS_S,
    CACHE,
    EXECUTIONS,
    FAILED_ATTEMPTS,
    IN_FLIGHT,
    NODE,
    REQUESTS,
    SUM,
    Row,
    observe,
    size,
    zeros,
)
from irc_runtime.node import Inputs, Node, Outputs
from tests.irc_runtime.agents import Failing, agent_of
from tests.irc_runtime.served import InBackground, Served, until, waiting
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, Failure

REQUEST_BODY = {"user_id": "u1", "session_id": "s1", "query": "secret question"}
REPLY = {"text": "Here.", "sentiment": "neutral", "escalate": False}


def scraped(agent: Served) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples, by name and labels."""
    answer = httpx.get(agent.url("/metrics"), timeout=30)
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def number(served: Served, name: str, /, **labels: str) -> float:
    """One sample; 0 where there is none."""
    return scraped(served).get((name, frozenset(labels.items())), 0.0)


def count(row: Row, start: int) -> float:
    """The observations of a histogram."""
    return sum(row[start : start + SUM])


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def served(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("metrics")
    source = folder / "customers.csv"
    source.write_text("user_id,event_time,name,plan\nu1,2024-01-01,Ada,gold\n")
    store = folder / "features.db"
    load_features(
        source, store, name="customers", version=1, key=("user_id",), event_time="event_time"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "IRC_FEATURES": f"sqlite:///{store}",
        "OPENAI_API_KEY": "key-of-tests",
        "OPENAI_BASE_URL": model.base_url,
    }
    agent = Served(environment, folder)
    try:
        agent.wait_until_ready()
        yield agent
    finally:
        agent.stop()


def test_requests_nodes_attempts_and_tokens_are_counted(
    served: Served, model: OpenAIServer
) -> None:
    before = scraped(served)
    model.script(Failure(503), Answer(REPLY))
    assert served.predict(REQUEST_BODY).status_code == 200
    model.script(Failure(503), Failure(503))
    assert served.predict(REQUEST_BODY).status_code == 200
    assert served.predict({**REQUEST_BODY, "user_id": "nobody"}).status_code == 500
    assert served.predict({"user_id": "u1"}).status_code == 400
    after = scraped(served)

    def grown(name: str, **labels: str) -> float:
        key = (name, frozenset({"agent": "support", **labels}.items()))
        return after.get(key, 0.0) - before.get(key, 0.0)

    requests = "irc_request_duration_seconds_count"
    assert grown(requests, outcome="ok") == 2
    assert grown(requests, outcome="error") == 1
    assert grown(requests, outcome="refused") == 1
    assert after["irc_requests_in_flight", frozenset({("agent", "support")})] == 0
    executions = "irc_node_duration_seconds_count"
    assert grown(executions, node="fetch_customer", outcome="ok") == 2
    assert grown(executions, node="fetch_customer", outcome="error") == 1
    assert grown(executions, node="answer", outcome="ok") == 1
    assert grown(executions, node="answer", outcome="error") == 1
    assert grown("irc_node_failed_attempts_total", node="answer", outcome="error") == 3
    handled = "irc_node_handled_failures_total"
    assert grown(handled, node="answer", handler="error_port") == 1
    assert grown(executions, node="apologise", outcome="ok") == 1
    (called,) = served.named("model_called")
    for kind in ("input", "output"):
        tokens = grown("irc_node_tokens_total", node="answer", type=kind)
        assert tokens == called[f"{kind}_tokens"] > 0
    seconds = grown("irc_node_duration_seconds_sum", node="answer", outcome="ok")
    whole = grown("irc_request_duration_seconds_sum", outcome="ok")
    assert 0 < seconds < whole
    buckets = "irc_node_duration_seconds_bucket"
    assert grown(buckets, node="answer", outcome="ok", le="+Inf") == 1


def test_kserves_own_metrics_are_there_too(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY))
    served.predict(REQUEST_BODY)
    assert number(served, "request_predict_seconds_count", model_name="support") > 0


def test_labels_hold_nothing_of_requests(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY))
    served.predict({**REQUEST_BODY, "session_id": "s-unheard-of"})
    served.predict({**REQUEST_BODY, "user_id": "unheard-of"})
    samples = scraped(served)
    ours = {labels for (name, labels) in samples if name.startswith("irc_")}
    names = {name for labels in ours for name, _ in labels}
    assert names == {"agent", "node", "outcome", "handler", "result", "type", "le"}
    assert "unheard-of" not in str(samples)


def test_requests_are_counted_while_they_are_under_way(tmp_path: Path) -> None:
    with waiting(tmp_path) as agent:
        assert number(agent, "irc_requests_in_flight", agent="patient") == 0
        call = InBackground(lambda: agent.predict({"key": "k1", "wait_s": 1}))
        until(lambda: agent.journal("begun"))
        assert number(agent, "irc_requests_in_flight", agent="patient") == 1
        assert call.get().status_code == 200
        assert number(agent, "irc_requests_in_flight", agent="patient") == 0


def test_a_caller_that_goes_away_is_counted_as_cancelled(tmp_path: Path) -> None:
    with waiting(tmp_path) as agent:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                agent.url("/v1/models/patient:predict"),
                json={"key": "k1", "wait_s": 60},
                timeout=0.5,
            )
        until(lambda: agent.journal("cancelled"))

        def cancelled(name: str, **labels: str) -> float:
            return number(agent, f"{name}_count", agent="patient", outcome="cancelled", **labels)

        until(lambda: cancelled("irc_request_duration_seconds") == 1)
        assert cancelled("irc_node_duration_seconds", node="step") == 1
        assert number(agent, "irc_requests_in_flight", agent="patient") == 0


def test_workers_answer_for_all_of_them(tmp_path: Path) -> None:
    with waiting(tmp_path, "--workers=2", "--enable_grpc=false") as agent:
        pids = set()

        def ask() -> bool:
            answer = agent.predict({"key": "k1"})
            assert answer.status_code == 200
            pids.add(answer.json()["pid"])
            return len(pids) == 2

        until(ask)
        asked = len(agent.journal("done"))
        ok = {"agent": "patient", "outcome": "ok"}
        for _ in range(8):  # whichever worker is asked
            assert number(agent, "irc_request_duration_seconds_count", **ok) == asked
            assert number(agent, "request_predict_seconds_count", model_name="patient") == asked
        call = InBackground(lambda: agent.predict({"key": "k2", "wait_s": 60}))
        until(lambda: len(agent.journal("begun")) == asked + 1)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert isinstance(call.get(), httpx.HTTPError)
        agent.wait_for_event("worker_ended", 2)
        agent.wait_until_ready()
        assert number(agent, "irc_request_duration_seconds_count", **ok) == asked
        assert number(agent, "irc_requests_in_flight", agent="patient") == 0


def test_scrapes_under_load_lose_nothing(tmp_path: Path) -> None:
    """And every scrape is whole: counts never go back."""
    with waiting(tmp_path) as agent:
        asks = [partial(agent.predict, {"key": f"k{key}", "wait_s": 0.01}) for key in range(100)]
        calls = [InBackground(ask) for ask in asks]
        ok = {"agent": "patient", "outcome": "ok"}
        seen = [0.0]

        def all_seen() -> bool:
            seen.append(number(agent, "irc_request_duration_seconds_count", **ok))
            return seen[-1] == len(calls)

        until(all_seen)
        assert seen == sorted(seen)
        assert [call.get().status_code for call in calls] == [200] * len(calls)
        assert number(agent, "irc_requests_in_flight", agent="patient") == 0


def test_a_cache_says_where_results_come_from() -> None:
    release = asyncio.Event()

    async def body(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await release.wait()
        return {"value": 1}

    settings = Node("work", cache=CacheSpec(ttl_s=60), cache_key=lambda inputs, context: 1)
    agent = agent_of(settings, body)

    async def main() -> None:
        calls = [asyncio.create_task(agent.predict({})) for _ in range(3)]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*calls)
        await agent.predict({})

    asyncio.run(main())
    row = agent.metrics.nodes["work"]
    assert {result: row[start] for result, start in CACHE.items()} == {
        "miss": 1,
        "shared": 2,
        "hit": 1,
    }
    assert count(row, EXECUTIONS["ok"]) == 1


@pytest.mark.parametrize(
    ("failure", "kind", "request_outcome"),
    [
        (TimeoutError(), "timeout", "timeout"),
        (ValidationFailedError("odd"), "validation_fail", "error"),
        (ModelError("away", retryable=False), "error", "error"),
        (MissingContextError("no user"), "error", "refused"),
    ],
)
def test_failures_are_told_apart(failure: Exception, kind: str, request_outcome: str) -> None:
    agent = agent_of(Node("work"), Failing(failure))
    with pytest.raises(AgentError):
        asyncio.run(agent.predict({}))
    row = agent.metrics.nodes["work"]
    assert {name: count(row, start) for name, start in EXECUTIONS.items() if name == kind} == {
        kind: 1
    }
    assert sum(count(row, start) for start in EXECUTIONS.values()) == 1
    assert [name for name, start in FAILED_ATTEMPTS.items() if row[start]] == [kind]
    requests = agent.metrics.requests
    assert [name for name, start in REQUESTS.items() if count(requests, start)] == [request_outcome]
    assert requests[IN_FLIGHT] == 0


def test_a_pause_that_is_cancelled_is_a_cancelled_execution() -> None:
    agent = agent_of(Node("work", attempts=2, backoff_s=3600.0), Failing(TimeoutError()))

    async def main() -> None:
        async with asyncio.timeout(0.05):
            await agent.predict({})

    with patch("random.uniform", lambda low, high: high), pytest.raises(TimeoutError):
        asyncio.run(main())
    assert count(agent.metrics.nodes["work"], EXECUTIONS["cancelled"]) == 1


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.0011, 0.3, 59.0, 61.0])
def test_a_duration_is_in_the_first_bucket_that_takes_it(seconds: float) -> None:
    row = zeros(size(NODE))
    observe(row, EXECUTIONS["ok"], seconds)
    bounds = [*BOUNDS_S, float("inf")]
    first = next(index for index, bound in enumerate(bounds) if seconds <= bound)
    assert row[first] == 1
    assert row[SUM] == seconds
