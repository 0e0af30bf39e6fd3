"""Kubernetes quantities."""

from decimal import Decimal

import pytest

from irc.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2", "2"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("1.", "1"),
        ("500m", "0.5"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("1E", "1000000000000000000"),
        ("1e3", "1000"),
        ("1E-3", "0.001"),
        ("250u", "0.00025"),
    ],
)
def test_amounts(text: str, amount: str) -> None:
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", "m", "1 core", "1K", "1mi", "-1", "+1", "1GB", "1e", ".", "١", "1_000", "1e999"]
)
def test_other_texts_are_none(text: str) -> None:
    assert parse_quantity(text) is None
