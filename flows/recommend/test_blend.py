"""The blend of ranked products and best sellers."""

from typing import Any

from flows.recommend.blend import transform

ATLAS = {"sku": "b-1", "category": "books"}
TROWEL = {"sku": "g-1", "category": "garden"}
KETTLE = {"sku": "k-1", "category": "kitchen"}


def blend(**inputs: Any) -> dict[str, Any]:
    return transform({"ranked": [], "best_sellers": [], **inputs}, None, None)


def test_ranked_products_come_before_best_sellers() -> None:
    assert blend(ranked=[TROWEL], best_sellers=[ATLAS])["products"] == [TROWEL, ATLAS]


def test_product_in_both_lists_stands_once_in_its_ranked_place() -> None:
    blended = blend(ranked=[KETTLE, ATLAS], best_sellers=[ATLAS, TROWEL])
    assert blended["products"] == [KETTLE, ATLAS, TROWEL]


def test_favourite_category_comes_first_and_keeps_its_order() -> None:
    fork = {"sku": "g-2", "category": "garden"}
    profile = {"segment": "regular", "favourite_category": "garden"}
    blended = blend(ranked=[ATLAS, fork], best_sellers=[TROWEL], profile=profile)
    assert blended["products"] == [fork, TROWEL, ATLAS]
    assert blended["segment"] == "regular"


def test_new_shopper_has_an_unknown_segment_and_the_ranked_order() -> None:
    blended = blend(ranked=[KETTLE, ATLAS])
    assert blended == {"products": [KETTLE, ATLAS], "segment": "unknown", "degraded": False}


def test_failed_ranking_is_told() -> None:
    assert blend(best_sellers=[ATLAS], ranking_error={"node": "rank"})["degraded"] is True
