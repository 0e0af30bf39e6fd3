"""The quick yes never contradicts jsonschema, and is there for the schemas that matter."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.validators import Draft7Validator, Draft202012Validator

from irc_runtime.schema_shortcuts import TYPES, shortcut

NAMES = st.sampled_from(["a", "b", "c"])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, 1.0, 1.5]), NAMES
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)


def schemas() -> st.SearchStrategy[Any]:
    """Schemas of the known keywords, together with types that they do not go with, and others."""

    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        keywords = {
            "type": st.sampled_from([*TYPES]),
            "enum": st.lists(LEAVES, min_size=1, max_size=3, unique_by=repr),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "items": inner,
            "title": NAMES,
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(0, 2),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "minimum": st.sampled_from([-1, 0.5]),
            "maximum": st.sampled_from([0, 1.5]),
            "additionalProperties": st.booleans(),
            "uniqueItems": st.booleans(),
        }
        return st.fixed_dictionaries({}, optional=keywords)

    return st.recursive(st.booleans(), larger, max_leaves=6)


@pytest.mark.parametrize("draft", [Draft7Validator, Draft202012Validator])
def test_a_quick_yes_is_what_jsonschema_says(draft: Any) -> None:
    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(schemas(), st.lists(VALUES, min_size=1, max_size=5))
    def run(schema: Any, values: list[Any]) -> None:
        quick = shortcut(schema)
        for value in values:
            assert quick is None or not quick(value) or draft(schema).is_valid(value)

    run()


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "items": {"type": "string"}}, ["a", "b"]),
        ({"type": "string", "enum": ["low", "high"]}, "high"),
        (
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "required": ["text"],
                "additionalProperties": False,
                "properties": {
                    "text": {"type": "string", "minLength": 1, "description": "The answer."},
                    "sure": {"type": "boolean"},
                    "scores": {"type": "array", "items": {"type": "number"}},
                    "more": True,
                },
            },
            {"text": "x", "sure": True, "scores": [1, 1.5], "more": object},
        ),
    ],
)
def test_usual_schemas_have_one(schema: Any, value: Any) -> None:
    quick = shortcut(schema)
    assert quick is not None
    assert quick(value)


@pytest.mark.parametrize("value", [True, "x", None, [1, True]])
def test_a_bool_is_no_number(value: Any) -> None:
    quick = shortcut({"type": "integer"})
    assert quick is not None
    assert not quick(value)
