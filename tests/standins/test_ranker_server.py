"""The stand-in of the ranking service."""

import httpx

from tests.standins.ranker_server import ranker_server

TOKEN = {"Authorization": "Bearer any"}


def test_rank_gives_as_many_products_as_asked() -> None:
    with ranker_server() as ranker:
        answer = httpx.post(
            f"{ranker.base_url}/v1/rank", json={"user": "s-1", "count": 2}, headers=TOKEN
        )
    assert [product["sku"] for product in answer.json()["products"]] == ["b-1", "g-1"]
    assert ranker.requests == [("/v1/rank", {"user": "s-1", "count": 2})]


def test_request_without_a_token_is_refused() -> None:
    with ranker_server() as ranker:
        assert httpx.get(f"{ranker.base_url}/v1/best-sellers").status_code == 401


def test_failing_path_fails_until_mended() -> None:
    with ranker_server() as ranker:
        url = f"{ranker.base_url}/v1/best-sellers"
        ranker.failing.add("/v1/best-sellers")
        assert httpx.get(url, headers=TOKEN).status_code == 503
        ranker.failing.clear()
        assert httpx.get(url, headers=TOKEN).status_code == 200
