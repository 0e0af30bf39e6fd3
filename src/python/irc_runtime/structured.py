"""Structured output: how a schema is asked for, and how an answer is read against it."""

import json
from collections.abc import Mapping
from typing import Any

from irc_runtime.errors import ValidationFailedError
from irc_runtime.schema import Schema

#: Keywords that OpenAI's strict mode takes; with others it refuses the request.
STRICT_KEYWORDS = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "items",
        "properties", "required", "title", "type",
    }
)  # fmt: skip

#: Keywords whose values are objects of schemas, not schemas.
MAPS_OF_SCHEMAS = frozenset({"$defs", "properties"})


def response_format(name: str, schema: Schema) -> dict[str, Any]:
    """The ``response_format`` of a chat completion that has to follow a schema.

    The schema goes out as it is. It is asked for strictly (the provider then guarantees it) where
    it keeps to what strict mode knows; else the provider does its best. Either way the answer is
    checked here.
    """
    return {
        "type": "json_schema",
        "json_schema": {
            "name": name,
            "schema": schema.schema,
            "strict": is_strict(schema.schema) and isinstance(schema.schema, Mapping),
        },
    }


def is_strict(schema: Any) -> bool:
    """Whether strict mode takes a schema: known keywords, and every object closed and complete."""
    if not isinstance(schema, Mapping):
        return isinstance(schema, bool)
    if not STRICT_KEYWORDS.issuperset(schema):
        return False
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            return False
    return all(is_strict(part) for part in _parts(schema))


def _parts(schema: Mapping[str, Any]) -> list[Any]:
    parts: list[Any] = []
    for keyword, value in schema.items():
        if keyword in MAPS_OF_SCHEMAS:
            parts.extend(value.values())
        elif keyword == "anyOf":
            parts.extend(value)
        elif keyword == "items":
            parts.append(value)
    return parts


def read_answer(text: str, schema: Schema | None) -> Any:
    """A model's answer: the text itself, or with a schema the value it spells.

    Raises:
        ValidationFailedError: the text is not JSON, or not of the schema.
    """
    if schema is None:
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValidationFailedError(
            f"the model's answer is not JSON: {error.msg} at character {error.pos}"
        ) from None
    problem = schema.problem(value)
    if problem is not None:
        raise ValidationFailedError(f"the model's answer does not fit its schema: {problem}")
    return value
