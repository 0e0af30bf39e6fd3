from typing import Any

import pytest

from irc_runtime.schema import Schema


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "string"}, 1, "expected string"),
        ({"type": ["string", "null"]}, 1, 'expected "string", "null"'),
        ({"enum": ["a", "b"]}, "secret", 'expected one of "a", "b"'),
        ({"properties": {"a": {"minLength": 2}}}, {"a": "x"}, "at 'a': shorter than 2 characters"),
        ({"items": {"type": "integer"}}, [1, "x"], "at '[1]': expected integer"),
        ({"required": ["a", "b"]}, {"a": 1}, 'lacks "b"'),
        (
            {"additionalProperties": False},
            {"secret": 1},
            "a property that the schema does not know",
        ),
        ({"not": {}}, "secret", "violates 'not'"),
        (False, "secret", "violates"),
    ],
)
def test_problems_name_path_and_rule_but_not_the_value(
    schema: Any, value: Any, problem: str
) -> None:
    text = Schema(schema).problem(value)
    assert text is not None
    assert problem in text
    assert "secret" not in text


def test_what_fits_has_no_problem() -> None:
    assert Schema({"type": "integer"}).problem(1) is None
    assert Schema(True).problem(object()) is None


def test_draft_7_and_2020_12_differ_as_they_should() -> None:
    draft_7 = "http://json-schema.org/draft-07/schema#"
    items = {"items": [{"type": "string"}]}
    assert Schema({"$schema": draft_7, **items}).problem([1]) is not None
    prefix = {"prefixItems": [{"type": "string"}]}
    assert Schema(prefix).problem([1]) is not None
    assert Schema({"$schema": draft_7, **prefix}).problem([1]) is None


def test_references_inside_a_schema_are_followed() -> None:
    schema = Schema({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}})
    assert schema.problem([1]) is None
    assert schema.problem(["x"]) == "at '[0]': expected integer"
