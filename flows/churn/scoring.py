"""How likely a customer is to leave within the next month."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Usage = Mapping[str, float]


@dataclass(frozen=True)
class Signal:
    """A sign that a customer may leave.

    Attributes:
        reason: what a colleague reads, in lower case.
        points: what the sign adds to the risk, in hundredths.
        shows: whether the usage shows the sign.
    """

    reason: str
    points: int
    shows: Callable[[Usage], bool]


BASE_POINTS = 5
SIGNALS = (
    Signal("hardly any logins", 35, lambda usage: usage["logins_30d"] < 5),
    Signal("many open tickets", 30, lambda usage: usage["open_tickets"] >= 3),
    Signal("late payments", 20, lambda usage: usage["late_payments"] > 0),
    Signal("new customer", 10, lambda usage: usage["months_active"] < 3),
)


def transform(inputs: Mapping[str, Any], context: Any, state: Any) -> dict[str, Any]:
    """Add up the signals: ``risk`` from 0 to 1, and the ``reasons``, the heaviest first."""
    seen = [signal for signal in SIGNALS if signal.shows(inputs)]
    points = BASE_POINTS + sum(signal.points for signal in seen)
    return {"risk": points / 100, "reasons": [signal.reason for signal in seen]}
