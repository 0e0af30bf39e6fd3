"""Expressions that the compiler evaluates itself, on made-up values, for the tests that it writes."""

from typing import Any

import pytest

from irc.diagnostics import Diagnostics, Span
from irc.emit.inversion import UNKNOWN, evaluate
from irc.expressions import compile_expression


def value_of(text: str, value: Any) -> Any:
    found = compile_expression(
        text, {"value": "value", "context": "context"}, ["locale"], Diagnostics(),
        lambda start, end: Span("flow.yaml", 1, 1, 1, 1),
    )  # fmt: skip
    assert found is not None
    return evaluate(found, value, {"locale": "de"})


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("value > 5000000", 7_000_000, True),
        ("value * 100", "ab", "ab" * 100),
        ("[x for x in value if x > 2]", [1, 2, 3], [3]),
        ("context.locale == 'de'", None, True),
        ("value.a", {}, UNKNOWN),
    ],
)
def test_what_ends_at_once_is_evaluated(text: str, value: Any, expected: Any) -> None:
    assert value_of(text, value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "'x' * 1000 * 1000000",
        "value * 1000000 * 1000000",
        "9 ** 9 ** 9",
        "value.zfill(1000000000)",
        "[x * 5000000 for x in value]",
        "[a for a in value for b in value for c in value]",
    ],
)
def test_what_may_grow_is_not(text: str) -> None:
    assert value_of(text, "x") is UNKNOWN
