"""Ranked products and best sellers as one list."""

from collections.abc import Iterable, Mapping
from typing import Any

Product = Mapping[str, Any]


def without_doubles(products: Iterable[Product]) -> list[Product]:
    """Keep the first product of each ``sku``."""
    by_sku: dict[str, Product] = {}
    for product in products:
        by_sku.setdefault(product["sku"], product)
    return list(by_sku.values())


def transform(inputs: Mapping[str, Any], context: Any, state: Any) -> dict[str, Any]:
    """Put the ranked products before the best sellers, and the favourite category before all.

    Returns:
        ``products`` without doubles, the shopper's ``segment`` (``unknown`` for a new one), and
        ``degraded``: whether the ranking service failed.
    """
    profile = inputs.get("profile") or {}
    favourite = profile.get("favourite_category")
    products = without_doubles([*inputs["ranked"], *inputs["best_sellers"]])
    return {
        "products": sorted(products, key=lambda product: product.get("category") != favourite),
        "segment": profile.get("segment", "unknown"),
        "degraded": inputs.get("ranking_error") is not None,
    }
