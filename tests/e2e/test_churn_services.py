"""flows/churn against a model and a feature store, over real connections."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flows.churn.agent import ChurnAgent
from tests.e2e.asking import ask
from tests.e2e.feature_files import load_features
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, Failure

OFFER = {"subject": "Stay with us", "body": "Take 20 percent off.", "discount_percent": 20}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> str:
    csv = "flows/churn/data/customers.csv"
    folder = tmp_path_factory.mktemp("features")
    return load_features(csv, folder, name="customers", version=3, key="customer_id")


@pytest.fixture
def model(features: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """The model, and the environment in which the agent finds it."""
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
        monkeypatch.setenv("IRC_FEATURES", features)
        yield server


def score(request: Mapping[str, Any]) -> Any:
    return ask(ChurnAgent, request)


def test_likely_leaver_reads_the_models_offer(model: OpenAIServer) -> None:
    model.script(Answer(OFFER))
    answer = score({"customer_id": "c-1001", "tone": "cheerful"})
    assert answer == {
        "risk": 0.9,
        "reasons": ["hardly any logins", "many open tickets", "late payments"],
        **OFFER,
    }
    assert model.last.prompt().splitlines() == [
        "Customer: Edda Example, plan Team, with us for 12 months.",
        "Risk of leaving: 90 percent.",
        "What we noticed:",
        "- hardly any logins",
        "- many open tickets",
        "- late payments",
    ]
    assert "The tone is cheerful." in model.last.prompt("system")


def test_earlier_event_takes_the_other_branch_and_asks_no_model(model: OpenAIServer) -> None:
    answer = score({"customer_id": "c-1001", "event_time": "2024-07-02T00:00:00Z"})
    assert answer == {
        "risk": 0.05,
        "subject": "Your month in review, Edda Example",
        "body": "Thank you for 8 months with us. Here is what is new.",
    }
    assert not model.requests


def test_offer_beyond_the_limit_is_asked_for_again(model: OpenAIServer) -> None:
    model.script(Answer({**OFFER, "discount_percent": 60}), Answer(OFFER))
    assert score({"customer_id": "c-1004"})["discount_percent"] == 20
    assert len(model.requests) == 2


def test_failing_model_gives_the_static_offer(model: OpenAIServer) -> None:
    model.script(*[Failure(503)] * 4)
    assert score({"customer_id": "c-1001"})["subject"] == "Can we do better?"


def test_unknown_customer_is_reported_by_the_global_handler(model: OpenAIServer) -> None:
    answer = score({"customer_id": "c-0", "trace_id": "t-1"})
    assert answer == {
        "failure": {
            "customer_id": "c-0",
            "failed_node": "fetch_customer",
            "attempts": 1,
            "trace_id": "t-1",
        }
    }
