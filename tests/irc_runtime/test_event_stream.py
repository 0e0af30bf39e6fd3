"""Server-sent events of a served agent, on the real KServe server."""

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from irc_runtime.serving.event_stream import wants_events
from tests.irc_runtime import streaming_agent
from tests.irc_runtime.served import Served
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, Failure

ACCEPT = {"accept": "text/event-stream"}


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def served(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {
        "PATH": os.environ["PATH"],
        "OPENAI_API_KEY": "key-of-tests",
        "OPENAI_BASE_URL": model.base_url,
    }
    agent = Served(
        environment,
        tmp_path_factory.mktemp("served"),
        module=streaming_agent.__name__,
        name="talking",
    )
    try:
        agent.wait_until_ready()
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.stop()


def events(response: httpx.Response) -> list[tuple[str, Any]]:
    """The events of a response, each with its data."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream"
    found = []
    for block in response.text.strip().split("\n\n"):
        kind, data = block.split("\n")
        found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def tokens(*texts: str) -> list[tuple[str, Any]]:
    return [("token", {"node": "say", "text": text}) for text in texts]


def test_tokens_come_before_the_result(served: Served, model: OpenAIServer) -> None:
    model.script(Answer("Hello there, you."))
    response = served.predict({"query": "hi"}, headers=ACCEPT)
    result = ("result", {"text": "Hello there, you."})
    assert events(response) == [*tokens("Hello ", "there, ", "you."), result]
    assert response.headers["cache-control"] == "no-cache"


def test_without_the_header_the_answer_is_as_always(served: Served, model: OpenAIServer) -> None:
    model.script(Answer("Hello there."))
    response = served.predict({"query": "hi"})
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"text": "Hello there."}


def test_another_attempt_voids_what_was_said(served: Served, model: OpenAIServer) -> None:
    model.script(Answer("Hello there, you.", cut_after=3), Answer("Good day."))
    found = events(served.predict({"query": "hi"}, headers=ACCEPT))
    assert found == [
        *tokens("Hello ", "there, "),
        ("restart", {"node": "say"}),
        *tokens("Good ", "day."),
        ("result", {"text": "Good day."}),
    ]


def test_an_answer_that_is_cut_for_good_is_a_failure_after_what_was_said(
    served: Served, model: OpenAIServer
) -> None:
    model.script(Answer("Hello there, you.", cut_after=3), Answer("Good day.", cut_after=2))
    *said, (kind, body) = events(served.predict({"query": "hi"}, headers=ACCEPT))
    assert said == [*tokens("Hello ", "there, "), ("restart", {"node": "say"}), *tokens("Good ")]
    assert (kind, body["node"], body["attempts"]) == ("error", "say", 2)
    assert body["reason"] == "the model's answer broke off"


def test_a_failure_is_the_last_event(served: Served, model: OpenAIServer) -> None:
    model.script(Failure(400))
    [(kind, body)] = events(served.predict({"query": "hi", "trace_id": "t-1"}, headers=ACCEPT))
    assert kind == "error"
    assert (body["node"], body["trace_id"]) == ("say", "t-1")
    assert body["reason"] == "the model's server answered 400"


def test_a_request_that_lacks_fields_is_refused_as_always(served: Served) -> None:
    response = served.predict({}, headers=ACCEPT)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json()["missing"] == ["query"]


def test_instances_have_numbers(served: Served, model: OpenAIServer) -> None:
    model.script(Answer("Same."), Answer("Same."))
    body = {"instances": [{"query": "a"}, {"query": "b"}]}
    *said, result = events(served.predict(body, headers=ACCEPT))
    assert sorted(data["instance"] for _, data in said) == [0, 1]
    assert result == ("result", {"predictions": [{"text": "Same."}, {"text": "Same."}]})


def test_a_caller_that_goes_away_cancels_its_request(served: Served, model: OpenAIServer) -> None:
    model.script(Answer("word " * 600, pause_s=0.05))
    url = served.url("/v1/models/talking:predict")
    with httpx.stream("POST", url, json={"query": "hi"}, headers=ACCEPT) as response:
        assert next(response.iter_lines()) == "event: token"
    assert model.abandoned.wait(20), "the model is asked for more"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("application/json, text/event-stream;q=0.9", True),
        ("*/*", False),
        ("text/event-stream-like", False),
    ],
)
def test_events_are_asked_for_by_name(accept: str, wanted: bool) -> None:
    assert wants_events({"accept": accept}) is wanted
