"""flows/recommend against a ranking service and a feature store, over real connections."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flows.recommend.agent import RecommendAgent
from irc_runtime.errors import NodeError
from tests.e2e.asking import ask
from tests.e2e.feature_files import load_features
from tests.standins.ranker_server import Ranker, ranker_server


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> str:
    csv = "flows/recommend/data/shoppers.csv"
    folder = tmp_path_factory.mktemp("features")
    return load_features(csv, folder, name="shoppers", version=1, key="user_id")


@pytest.fixture
def ranker(features: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranker]:
    """The ranking service, and the environment in which the agent finds it."""
    with ranker_server() as ranker:
        monkeypatch.setenv("RANKER_URL", ranker.base_url)
        monkeypatch.setenv("RANKER_TOKEN", "not-a-real-token")
        monkeypatch.setenv("IRC_FEATURES", features)
        yield ranker


def recommend(request: Mapping[str, Any]) -> Any:
    return ask(RecommendAgent, request)


def skus(answer: Any) -> list[str]:
    return [product["sku"] for product in answer["products"]]


def test_favourite_category_leads_and_sold_out_products_are_missing(ranker: Ranker) -> None:
    answer = recommend({"user_id": "s-1"})
    assert skus(answer) == ["g-1", "b-1", "t-1"]
    assert answer["total_price"] == 82.35
    assert (answer["segment"], answer["degraded"]) == ("regular", False)


def test_category_is_the_one_of_the_events_time(ranker: Ranker) -> None:
    answer = recommend({"user_id": "s-1", "event_time": "2024-05-01T00:00:00Z"})
    assert skus(answer) == ["b-1", "g-1", "t-1"]
    assert answer["segment"] == "new"


def test_ranking_is_asked_with_the_default_count_or_the_given_one(ranker: Ranker) -> None:
    recommend({"user_id": "s-2"})
    recommend({"user_id": "s-2", "limit": 1})
    assert sorted(ranker.requests, key=str) == [
        ("/v1/best-sellers?days=7", None),
        ("/v1/best-sellers?days=7", None),
        ("/v1/rank", {"user": "s-2", "count": 1}),
        ("/v1/rank", {"user": "s-2", "count": 5}),
    ]


def test_new_shopper_is_answered_without_a_profile(ranker: Ranker) -> None:
    answer = recommend({"user_id": "nobody"})
    assert skus(answer) == ["b-1", "g-1", "t-1"]
    assert answer["segment"] == "unknown"


def test_failing_ranking_is_asked_twice_and_then_done_without(ranker: Ranker) -> None:
    ranker.failing.add("/v1/rank")
    answer = recommend({"user_id": "nobody"})
    assert skus(answer) == ["t-1", "g-1", "b-1"]
    assert answer["degraded"] is True
    assert [path for path, _ in ranker.requests].count("/v1/rank") == 2


def test_failing_best_sellers_fail_the_request(ranker: Ranker) -> None:
    ranker.failing.add("/v1/best-sellers")
    with pytest.raises(NodeError) as caught:
        recommend({"user_id": "s-1"})
    assert (caught.value.node, caught.value.attempts) == ("fetch_best_sellers", 3)
    assert "not-a-real-token" not in str(caught.value)
