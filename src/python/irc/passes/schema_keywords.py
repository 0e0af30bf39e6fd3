"""JSON Schema's keywords, by what their values hold: draft 7 and draft 2020-12.

The specifications: json-schema.org/draft-07/json-schema-validation and
json-schema.org/draft/2020-12/json-schema-core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from irc.source import Path

DRAFTS = {
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}
"""The drafts of the language, by what ``$schema`` says, without a fragment."""

_ONE = frozenset(
    ["additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"]
)
_LIST = frozenset(["allOf", "anyOf", "oneOf"])
_MAP = frozenset(["definitions", "patternProperties", "properties"])
_ONE_OF = {
    7: _ONE | {"additionalItems"},
    2020: _ONE | {"contentSchema", "unevaluatedItems", "unevaluatedProperties"},
}
_LIST_OF = {7: _LIST | {"items"}, 2020: _LIST | {"prefixItems"}}
_MAP_OF = {7: _MAP | {"$defs", "dependencies"}, 2020: _MAP | {"$defs", "dependentSchemas"}}

IN_PLACE = frozenset(
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependencies", "dependentSchemas"]
)
"""Keywords whose schemas are applied to the very value that the schema around them is applied to."""

IDENTITY = frozenset(
    ["$schema", "$id", "$anchor", "$dynamicAnchor", "$comment", "$defs", "definitions"]
)
"""Keywords that name a schema or keep others; they say nothing of a value."""

ANNOTATIONS = frozenset(
    ["title", "description", "default", "deprecated", "examples", "readOnly", "writeOnly"]
)

_NOT_OF_DRAFT_7 = frozenset(
    [
        "$dynamicRef", "contentSchema", "dependentRequired", "dependentSchemas", "maxContains",
        "minContains", "prefixItems", "unevaluatedItems", "unevaluatedProperties",
    ]
)  # fmt: skip


def draft_of(schema: Any) -> int | None:
    """The draft that a schema says it is of: 7, 2020, 0 for any other; None where it is silent."""
    said = schema.get("$schema") if isinstance(schema, dict) else None
    if not isinstance(said, str):
        return None
    said = said.rstrip("#")
    return DRAFTS.get(said) or DRAFTS.get(said.replace("https:", "http:"), 0)  # often mistaken


def subschemas(schema: dict[str, Any], draft: int) -> Iterator[tuple[Path, Any]]:
    """The schemas directly within a schema, and where: ``("properties", "name")``."""
    for keyword, value in schema.items():
        if isinstance(value, list) and keyword in _LIST_OF[draft]:
            yield from (((keyword, index), item) for index, item in enumerate(value))
        elif isinstance(value, dict) and keyword in _MAP_OF[draft]:
            yield from (
                ((keyword, key), item)
                for key, item in value.items()
                if not isinstance(item, list)  # of draft 7's dependencies
            )
        elif isinstance(value, dict | bool) and keyword in _ONE_OF[draft]:
            yield (keyword,), value


def upgraded(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of draft 7, what it holds aside, as one of draft 2020-12 that says the same."""
    result: dict[str, Any] = {}
    tuple_items = isinstance(schema.get("items"), list)
    for keyword, value in schema.items():
        if keyword == "items" and tuple_items:
            result["prefixItems"] = value
        elif keyword == "additionalItems":
            if tuple_items:
                result["items"] = value
        elif keyword == "dependencies":
            required = {key: item for key, item in value.items() if isinstance(item, list)}
            if required:
                result["dependentRequired"] = required
            if len(required) < len(value):
                result["dependentSchemas"] = {
                    key: item for key, item in value.items() if key not in required
                }
        elif keyword not in _NOT_OF_DRAFT_7:
            result[keyword] = value
    return result
