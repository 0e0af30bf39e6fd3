"""A quick yes for values that fit the simple schemas of which most ports are.

jsonschema needs microseconds for each keyword and item. What is made here says yes to most of the values
that it would accept, and to no others: where it does not say yes, jsonschema decides, and says why.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

#: Whether a value certainly fits.
Shortcut: TypeAlias = Callable[[Any], bool]

#: Python's own types, of which subclasses are left to jsonschema: a bool is no number there.
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}

#: Keywords that assert nothing.
ANNOTATIONS = {"$schema", "$comment", "title", "description", "default", "examples"}


def shortcut(schema: Any) -> Shortcut | None:
    """A quick yes for a schema of draft 7 or 2020-12; None where it has other keywords than a few."""
    if schema is True:
        return _anything
    kind = schema.get("type") if isinstance(schema, dict) else None
    types = TYPES.get(kind) if isinstance(kind, str) else None
    if types is None:
        return None
    checks: list[Shortcut] = [_of_type(types)]  # which the others take for granted
    for keyword in schema.keys() - ANNOTATIONS - {"type"}:
        kinds, make = MAKERS.get(keyword, ((), None))
        check = make(schema[keyword]) if make is not None and kind in kinds else None
        if check is None:
            return None
        checks.append(check)
    if schema.get("additionalProperties") is False:
        checks.append(_no_others(schema.get("properties", {})))
    if len(checks) == 1:
        return checks[0]

    def fits(value: Any) -> bool:
        for check in checks:
            if not check(value):
                return False
        return True

    return fits


def _anything(value: Any) -> bool:
    return True


def _of_type(types: tuple[type, ...]) -> Shortcut:
    return lambda value: type(value) in types


def _enum(members: Any) -> Shortcut | None:
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        return None
    known = frozenset(members)
    return lambda value: value in known


def _required(names: Any) -> Shortcut | None:
    if not isinstance(names, list):
        return None
    wanted = frozenset(names)
    return lambda value: value.keys() >= wanted


def _properties(schemas: Any) -> Shortcut | None:
    checks = {name: shortcut(schema) for name, schema in schemas.items()}
    known = [(name, check) for name, check in checks.items() if check is not None]
    if len(known) < len(checks):
        return None

    def fits(value: Any) -> bool:
        for name, check in known:
            if name in value and not check(value[name]):
                return False
        return True

    return fits


def _items(schema: Any) -> Shortcut | None:
    check = shortcut(schema)
    return None if check is None else lambda value: all(map(check, value))


def _closed(allowed: Any) -> Shortcut | None:
    return _anything if isinstance(allowed, bool) else None  # _no_others() looks at the names


def _no_others(properties: Mapping[str, Any]) -> Shortcut:
    known = frozenset(properties)
    return lambda value: value.keys() <= known


def _at_least(least: Any) -> Shortcut | None:
    return (lambda value: len(value) >= least) if isinstance(least, int) else None


def _at_most(most: Any) -> Shortcut | None:
    return (lambda value: len(value) <= most) if isinstance(most, int) else None


def _minimum(least: Any) -> Shortcut:
    return lambda value: bool(value >= least)


def _maximum(most: Any) -> Shortcut:
    return lambda value: bool(value <= most)


Maker: TypeAlias = Callable[[Any], Shortcut | None]

#: The types that each known keyword is for, and what makes its check.
MAKERS: Mapping[str, tuple[tuple[str, ...], Maker]] = {
    "enum": (("string",), _enum),
    "required": (("object",), _required),
    "properties": (("object",), _properties),
    "additionalProperties": (("object",), _closed),
    "items": (("array",), _items),
    "minItems": (("array",), _at_least),
    "maxItems": (("array",), _at_most),
    "minLength": (("string",), _at_least),
    "maxLength": (("string",), _at_most),
    "minimum": (("integer", "number"), _minimum),
    "maximum": (("integer", "number"), _maximum),
}
