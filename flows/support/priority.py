"""How urgent a customer's question is."""

from collections.abc import Mapping
from typing import Any

URGENT = ("refund", "broken", "cancel", "parcel")


def transform(inputs: Mapping[str, Any], context: Any, state: Any) -> dict[str, str]:
    """Rank the question ``low``, ``normal`` or ``high``."""
    customer = inputs["customer"]
    urgent = any(word in inputs["query"].lower() for word in URGENT)
    if customer["plan"] == "gold" and urgent:
        return {"level": "high"}
    if urgent or customer["open_tickets"] > 0:
        return {"level": "normal"}
    return {"level": "low"}
