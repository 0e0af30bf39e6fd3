"""Values that fit a port: made from its type and its JSON Schema, the same ones every time."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from typing import Any

from irc.ir.model import Port

NOTHING: Any = object()
"""Stands for a value that could not be found. (None is a value: JSON's null.)"""

MAX_CANDIDATES = 32
"""Candidates that are tried for one schema."""

MAX_DEPTH = 8

MAX_STEPS = 500
"""Parts of one schema that are looked at: one that refers to itself has no end."""

_KINDS = {
    "string": "string", "document": "string", "number": "number", "boolean": "boolean",
    "object": "object", "array": "array", "table": "array", "embedding": "array",
}  # fmt: skip
"""JSON's name for each type of port."""

_FORMATS = {
    "date": "2024-01-01", "date-time": "2024-01-01T00:00:00Z", "time": "00:00:00Z",
    "email": "ada@example.org", "hostname": "example.org", "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1", "uri": "https://example.org/", "uri-reference": "/example",
    "uuid": "00000000-0000-4000-8000-000000000000", "duration": "P1D",
}  # fmt: skip

_REFUSED: tuple[Any, ...] = (
    None,
    "",
    0,
    -1,
    10**9,
    0.5,
    True,
    [],
    {},
    "no such value",
    [None],
    {"no such key": None},
)
"""Values of which a schema that says anything refuses one."""


def sample_port(port: Port, label: str) -> Any:
    """A value for a port, or NOTHING.

    Args:
        label: where the value stands, as ``score.risk``; texts say it and numbers follow from it,
            so that values of different ports differ where their schemas let them.
    """
    plain = _plain(port.type, label)
    if port.json_schema is None:
        return plain
    return sample_schema(port.json_schema, label, _KINDS[port.type], plain)


def sample_schema(schema: Any, label: str, kind: str | None = None, first: Any = NOTHING) -> Any:
    """A value that a JSON Schema takes, or NOTHING where none is found.

    Args:
        kind: JSON's name of the type that the value must have, whatever the schema says.
        first: the value to take where it fits.
    """
    validator = _validator(schema)
    sampler = _Sampler(schema)
    candidates = sampler.candidates(schema, label, kind, 0)
    if first is not NOTHING:
        candidates = itertools.chain([first], candidates)
    for value in itertools.islice(candidates, MAX_CANDIDATES):
        if (kind is None or is_json_kind(value, kind)) and fits(validator, value):
            return value
    return NOTHING


def refused(schema: Any) -> Any:
    """A value that a JSON Schema refuses, or NOTHING."""
    validator = _validator(schema)
    return next((value for value in _REFUSED if not fits(validator, value)), NOTHING)


def fits_schema(schema: Any, value: Any) -> bool:
    """Whether a JSON Schema takes a value."""
    return schema is None or fits(_validator(schema), value)


def fits(validator: Any, value: Any) -> bool:
    """Whether a validator takes a value; no where the schema cannot be followed here."""
    try:
        return bool(validator.is_valid(value))
    except Exception:  # noqa: BLE001  # a reference to elsewhere, or an endless one
        return False


def number_of(label: str) -> int:
    """A number of three digits that follows from a label."""
    return zlib.crc32(label.encode()) % 900 + 100


def _validator(schema: Any) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for(schema, default=Draft202012Validator)(schema)


def _plain(kind: str, label: str) -> Any:
    """A value of a port type without a schema."""
    number = number_of(label)
    values: dict[str, Any] = {
        "string": label, "document": label, "number": number, "boolean": number % 2 == 0,
        "object": {"sample": label}, "array": [label], "table": [{"sample": label}],
        "embedding": [number / 1000],
    }  # fmt: skip
    return values[kind]


def is_kind(value: Any, port_type: str) -> bool:
    """Whether a value is of a port's type."""
    return is_json_kind(value, _KINDS[port_type])


def is_json_kind(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    types = {"string": str, "boolean": bool, "object": dict, "array": list}
    return isinstance(value, types[kind])


class _Sampler:
    """Makes candidates for a schema and its parts; they are checked by who asks."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.steps = 0

    def candidates(self, schema: Any, label: str, kind: str | None, depth: int) -> Iterator[Any]:
        self.steps += 1
        if depth > MAX_DEPTH or self.steps > MAX_STEPS or schema is False:
            return
        if not isinstance(schema, dict):
            schema = {}
        if "const" in schema:
            yield schema["const"]
            return
        if "enum" in schema:
            yield from schema["enum"]
            return
        for combined in self._flattened(schema, depth):
            if "const" in combined or "enum" in combined:
                yield from self.candidates(combined, label, kind, depth + 1)
                continue
            for name in self._types(combined, kind):
                yield from getattr(self, f"_{name}")(combined, label, depth)

    def _first(self, schema: Any, label: str, depth: int) -> Any:
        """One value of a part of the schema."""
        validator = _validator(self._rooted(schema))
        found = itertools.islice(self.candidates(schema, label, None, depth), MAX_CANDIDATES)
        return next((value for value in found if fits(validator, value)), NOTHING)

    def _rooted(self, schema: Any) -> Any:
        """A part of the schema that still finds what it refers to."""
        if not isinstance(schema, dict) or not isinstance(self.root, dict):
            return schema
        kept = {
            key: self.root[key] for key in ("$defs", "definitions", "$schema") if key in self.root
        }
        return {**kept, **schema}

    def _flattened(self, schema: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
        """The schema without references and combinations: one for each alternative."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            return
        own = {
            key: value for key, value in schema.items()
            if key not in {"$ref", "allOf", "anyOf", "oneOf", "$defs", "definitions"}
        }  # fmt: skip
        parts = [schema["$ref"]] if "$ref" in schema else []
        targets = [self._target(part) for part in parts] + list(schema.get("allOf", []))
        choices = [schema[key] for key in ("anyOf", "oneOf") if key in schema]
        for alternative in itertools.product(*choices):
            merged = own
            for part in (*targets, *alternative):
                if isinstance(part, dict):
                    merged = _merged(merged, part)
            again = any(key in merged for key in ("$ref", "allOf", "anyOf", "oneOf"))
            if not again:
                yield merged
            elif depth <= MAX_DEPTH:
                yield from self._flattened(merged, depth + 1)

    def _target(self, reference: str) -> Any:
        value = self.root
        for step in reference.lstrip("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _types(self, schema: dict[str, Any], kind: str | None) -> list[str]:
        named = schema.get("type")
        names = [named] if isinstance(named, str) else list(named or [])
        if not names:
            names = [kind] if kind else [_implied(schema)]
        return [name for name in names if hasattr(self, f"_{name}")]

    def _null(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        yield None

    def _boolean(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        yield number_of(label) % 2 == 0

    def _string(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        if schema.get("format") in _FORMATS:
            yield _FORMATS[schema["format"]]
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        for text in (label, label.rpartition(".")[2], "Text", "text", "1", "ABC", "123"):
            padded = text.ljust(least, "x") if least <= 10_000 else text
            yield padded if most is None else padded[:most]

    def _integer(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        yield from (value for value in self._number(schema, label, depth) if value == int(value))

    def _number(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        low = max(schema.get("minimum", -(10**9)), schema.get("exclusiveMinimum", -(10**9)))
        high = min(schema.get("maximum", 10**9), schema.get("exclusiveMaximum", 10**9))
        step = schema.get("multipleOf")
        wanted = number_of(label)
        if step:
            yield step * (wanted // 100)
            yield step * -(-low // step)
        if low <= wanted <= high:
            yield wanted
        if low > -(10**9) and high < 10**9:  # a value between, as far from the ends as possible
            share = wanted / 1000
            yield round(low + (high - low) * share, 3)
            yield int(low + (high - low) * share)
        yield from (low, low + 1, high, high - 1, (low + high) / 2, 0, 1)

    def _array(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        items, prefix = schema.get("items", True), schema.get("prefixItems", [])
        if isinstance(items, list):  # draft 7
            items, prefix = schema.get("additionalItems", True), items
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        count = max(1, least, len(prefix))
        if count > 100:
            return
        values = []
        for index in range(count if most is None else min(count, most)):
            part = prefix[index] if index < len(prefix) else schema.get("contains", items)
            value = self._first(part, f"{label}[{index}]" if index else label, depth + 1)
            if value is not NOTHING:
                values.append(value)
        yield values
        yield []

    def _object(self, schema: dict[str, Any], label: str, depth: int) -> Iterator[Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        values = {}
        for name in dict.fromkeys([*properties, *required]):
            part = properties.get(name, schema.get("additionalProperties", True))
            value = self._first(part, f"{label}.{name}", depth + 1)
            if value is not NOTHING:
                values[name] = value
        if not values:
            yield {"sample": label}
        yield values
        if set(values) != set(required):
            yield {name: value for name, value in values.items() if name in required}
        lacking = schema.get("minProperties", 0) - len(values)
        if 0 < lacking <= 100:
            yield {**values, **{f"sample_{index}": label for index in range(lacking)}}


def _implied(schema: dict[str, Any]) -> str:
    """The type that the keywords of a schema speak of."""
    keywords = {
        "object": ("properties", "required", "additionalProperties", "minProperties"),
        "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
    return next(
        (name for name, keys in keywords.items() if any(k in schema for k in keys)), "string"
    )


_TIGHTER = {
    "minimum": max, "exclusiveMinimum": max, "minLength": max, "minItems": max,
    "maximum": min, "exclusiveMaximum": min, "maxLength": min, "maxItems": min,
}  # fmt: skip


def _merged(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """Two schemas as one that asks for both, as far as it can be said."""
    merged = dict(one)
    for key, value in two.items():
        if key in _TIGHTER and key in merged:
            merged[key] = _TIGHTER[key](merged[key], value)
        elif key == "required":
            merged[key] = list(dict.fromkeys([*merged.get(key, []), *value]))
        elif key == "properties":
            both = {
                name: {"allOf": [merged[key][name], value[name]]}
                for name in value
                if name in merged.get(key, {})
            }
            merged[key] = {**merged.get(key, {}), **value, **both}
        elif key in {"allOf", "anyOf", "oneOf"} and key in merged:
            merged["allOf"] = [*merged.get("allOf", []), {key: value}]
        elif key == "enum" and key in merged:
            merged[key] = [item for item in merged[key] if item in value]
        else:
            merged[key] = value
    return merged
