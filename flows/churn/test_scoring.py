"""The signals of the churn score."""

from typing import Any

import pytest

from flows.churn.scoring import BASE_POINTS, SIGNALS, transform

CONTENT = {"months_active": 30, "logins_30d": 60, "open_tickets": 0, "late_payments": 0}


def score(**changed: float) -> dict[str, Any]:
    return transform({**CONTENT, **changed}, None, None)


def test_content_customer_has_the_base_risk_and_no_reasons() -> None:
    assert score() == {"risk": 0.05, "reasons": []}


@pytest.mark.parametrize(
    ("changed", "risk", "reason"),
    [
        ({"logins_30d": 4}, 0.4, "hardly any logins"),
        ({"open_tickets": 3}, 0.35, "many open tickets"),
        ({"late_payments": 1}, 0.25, "late payments"),
        ({"months_active": 2}, 0.15, "new customer"),
    ],
)
def test_each_signal_raises_the_risk(changed: dict[str, float], risk: float, reason: str) -> None:
    assert score(**changed) == {"risk": risk, "reasons": [reason]}


@pytest.mark.parametrize("changed", [{"logins_30d": 5}, {"open_tickets": 2}, {"months_active": 3}])
def test_threshold_itself_is_no_signal(changed: dict[str, float]) -> None:
    assert score(**changed)["reasons"] == []


def test_all_signals_together_stay_a_probability() -> None:
    risk = score(logins_30d=0, open_tickets=9, late_payments=9, months_active=0)["risk"]
    assert risk == 1.0
    assert BASE_POINTS + sum(signal.points for signal in SIGNALS) == 100


def test_reasons_stand_heaviest_first() -> None:
    points = [signal.points for signal in SIGNALS]
    assert points == sorted(points, reverse=True)
