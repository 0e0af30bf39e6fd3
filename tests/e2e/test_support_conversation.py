"""Conversations with the packaged flows/support, as the image and as the PEX.

Nothing of the product is replaced: the model is a server that speaks OpenAI's protocol, the
features come from the flow's sample data.
"""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import API_KEY
from tests.e2e.running import RunningAgent
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply

GREETING = {"text": "It arrives today.", "sentiment": "positive", "escalate": False}
STATIC_TEXT = "Thank you for your message. A colleague will answer you shortly."
APOLOGY = "Sorry, Ada Example, something went wrong on our side. A colleague will write to you."


def question(query: str, **fields: Any) -> dict[str, Any]:
    """A request of customer u1 in a session of its own."""
    return {"user_id": "u1", "session_id": uuid.uuid4().hex, "query": query, **fields}


def answered(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_answer_is_the_models_in_the_flows_shape(agent: RunningAgent, model: OpenAIServer) -> None:
    model.script(Answer(GREETING))
    answer = agent.predict(question("Where is my parcel?", trace_id="t-1"))
    assert answered(answer) == {
        "answer": "It arrives today.",
        "escalate": False,
        "priority": "high",
        "earlier": [],
        "trace_id": "t-1",
    }


def test_model_is_sent_the_rendered_prompt(agent: RunningAgent, model: OpenAIServer) -> None:
    model.script(Answer(GREETING))
    answered(agent.predict(question("Where is my parcel?", locale="fr-CH")))
    (request,) = model.requests
    assert request.refused is None
    assert request.authorization == f"Bearer {API_KEY}"
    assert request.prompt("user").splitlines() == [
        "Customer: Ada Example (plan: gold, open tickets: 2)",
        "Priority: high",
        "",
        "Question: Where is my parcel?",
    ]
    assert "Answer in the language of fr-CH." in request.prompt("system")
    assert request.body["model"] == "gpt-4o-mini"
    assert request.body["temperature"] == 0.2
    assert 400 in (request.body.get("max_tokens"), request.body.get("max_completion_tokens"))
    schema = request.body["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["text", "sentiment", "escalate"]


def test_second_turn_knows_the_first_one(agent: RunningAgent, model: OpenAIServer) -> None:
    model.script(Answer(GREETING), Answer(GREETING), Answer(GREETING))
    first = question("Where is my parcel?")
    assert answered(agent.predict(first))["earlier"] == []
    second = answered(agent.predict({**first, "query": "And the second one?"}))
    assert second["earlier"] == ["Where is my parcel?"]
    assert "- Where is my parcel?" in model.last.prompt().splitlines()
    other_session = answered(agent.predict(question("Hello")))
    assert other_session["earlier"] == []
    assert "Earlier in this conversation" not in model.last.prompt()


@pytest.mark.parametrize(
    ("event_time", "customer"),
    [
        ("2024-03-01T00:00:00Z", "plan: free, open tickets: 0"),
        ("2024-06-01T12:30:00Z", "plan: gold, open tickets: 0"),
        ("2024-06-01T14:29:59+02:00", "plan: free, open tickets: 0"),
        (None, "plan: gold, open tickets: 2"),
    ],
)
def test_features_are_those_of_the_events_time(
    agent: RunningAgent, model: OpenAIServer, event_time: str | None, customer: str
) -> None:
    model.script(Answer(GREETING))
    fields = {} if event_time is None else {"event_time": event_time}
    answered(agent.predict(question("Hello", **fields)))
    assert model.last.prompt().startswith(f"Customer: Ada Example ({customer})")


@pytest.mark.parametrize(
    "invalid",
    [
        "Sure! Here is some text that is not JSON.",
        {"text": "It arrives today.", "sentiment": "overjoyed", "escalate": False},
        {"text": "It arrives today."},
        {**GREETING, "extra": 1},
    ],
)
def test_answer_that_breaks_its_schema_gives_the_static_one(
    agent: RunningAgent, model: OpenAIServer, invalid: Any
) -> None:
    model.script(*[Answer(invalid)] * 4)
    body = answered(agent.predict(question("Hello")))
    assert (body["answer"], body["escalate"]) == (STATIC_TEXT, True)


@pytest.mark.parametrize("failure", [Failure(503), Failure(401), CutConnection(), Malformed()])
def test_failing_model_takes_the_error_route(
    agent: RunningAgent, model: OpenAIServer, failure: Reply
) -> None:
    model.script(*[failure] * 8)
    body = answered(agent.predict(question("Hello")))
    assert (body["answer"], body["escalate"]) == (APOLOGY, True)


def test_model_that_is_down_takes_the_error_route_until_it_is_back(
    agent: RunningAgent, model: OpenAIServer
) -> None:
    request = question("Where is my parcel?")
    model.stop()
    try:
        body = answered(agent.predict(request))
    finally:
        model.start()
    assert (body["answer"], body["escalate"]) == (APOLOGY, True)
    model.script(Answer(GREETING))
    body = answered(agent.predict({**request, "query": "Still there?"}))
    assert body["answer"] == GREETING["text"]
    assert body["earlier"] == ["Where is my parcel?"]


def test_second_attempt_answers_after_a_failure(agent: RunningAgent, model: OpenAIServer) -> None:
    model.script(Failure(500), Answer(GREETING))
    body = answered(agent.predict(question("Hello")))
    assert body["answer"] == GREETING["text"]
    assert len(model.requests) == 2


def test_missing_fields_are_refused_with_all_their_names(
    agent: RunningAgent, model: OpenAIServer
) -> None:
    answer = agent.predict({"user_id": "u1"})
    assert answer.status_code == 400
    assert "session_id" in answer.text
    assert "query" in answer.text
    assert "user_id" not in answer.text
    assert not model.requests


def test_unknown_customer_is_an_error_that_names_the_node(
    agent: RunningAgent, model: OpenAIServer
) -> None:
    answer = agent.predict({**question("Hello"), "user_id": "nobody"})
    assert answer.status_code >= 400
    assert "fetch_customer" in answer.text
    assert "Traceback" not in answer.text
    assert not model.requests


def test_instances_give_predictions_in_their_order(
    agent: RunningAgent, model: OpenAIServer
) -> None:
    model.script(*[Answer(GREETING)] * 2)
    requests = [question("Hello", trace_id="t-1"), question("Refund!", trace_id="t-2")]
    predictions = answered(agent.predict({"instances": requests}))["predictions"]
    assert [prediction["trace_id"] for prediction in predictions] == ["t-1", "t-2"]
    assert [prediction["priority"] for prediction in predictions] == ["normal", "high"]


def test_v2_protocol_answers_in_tensors(agent: RunningAgent, model: OpenAIServer) -> None:
    model.script(Answer(GREETING))
    fields = question("Where is my parcel?")
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
        for name, value in fields.items()
    ]
    url = f"{agent.base_url}/v2/models/support/infer"
    body = answered(httpx.post(url, json={"inputs": tensors}, timeout=60))
    outputs = {tensor["name"]: tensor for tensor in body["outputs"]}
    assert outputs["answer"]["data"] == ["It arrives today."]
    assert (outputs["escalate"]["datatype"], outputs["escalate"]["data"]) == ("BOOL", [False])
    assert outputs["priority"]["shape"] == [1]


def test_log_holds_neither_the_key_nor_the_customers_words(
    agent: RunningAgent, model: OpenAIServer
) -> None:
    model.script(Answer(GREETING), *[Failure(503)] * 8)
    answered(agent.predict(question("My secret is opal")))
    answered(agent.predict(question("My secret is opal")))
    assert API_KEY not in agent.log
    assert "opal" not in agent.log


def test_packaged_source_is_what_the_image_runs(package: Path) -> None:
    described = json.loads((package / "agent" / "agent.json").read_text())
    assert described["name"] == "support"
    source = (package / "agent" / "agent.py").read_text()
    assert "class SupportAgent" in source
