"""Places within values, and references to them filled in: what an operation asks for, told apart.

The generated agent fills references with code of its own. Tests compare that with what is filled in
here, by walking through the arguments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from irc.emit.samples import NOTHING, number_of
from irc.references import Reference, find_references, is_single

Place = tuple[str | int, ...]


class NoValueError(Exception):
    """A place that a value does not have."""


def at_place(value: Any, place: Place) -> Any:
    """What stands at a place within a value.

    Raises:
        NoValueError: nothing does.
    """
    for step in place:
        try:
            value = value[step]
        except (LookupError, TypeError):
            raise NoValueError from None
    return value


def with_place(value: Any, place: Place, kind: str, label: str) -> Any:
    """A value that has a place, with what is of that kind there.

    Args:
        kind: ``text``, ``number``, ``items``, ``container`` or ``any``.
    Raises:
        NoValueError: another place stands in the way.
    """
    if not place:
        return _of_kind(value, kind, label)
    step, rest = place[0], place[1:]
    if isinstance(step, int):
        items = list(value) if isinstance(value, list) else []
        if value is not NOTHING and not isinstance(value, list):
            raise NoValueError
        wanted = step + 1 if step >= 0 else -step
        if wanted > 20:
            raise NoValueError
        items += [NOTHING] * (wanted - len(items))
        items[step] = with_place(items[step], rest, kind, label)
        return [label if item is NOTHING else item for item in items]
    if value is not NOTHING and not isinstance(value, dict):
        raise NoValueError
    known = {} if value is NOTHING or _is_filler(value) else value
    return {**known, step: with_place(known.get(step, NOTHING), rest, kind, f"{label}.{step}")}


def _is_filler(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["sample"]


def _of_kind(value: Any, kind: str, label: str) -> Any:
    if value is NOTHING:
        made: dict[str, Any] = {"number": number_of(label), "items": [label]}
        return made.get(kind, label)
    types = {"text": str, "number": int | float, "items": list, "container": str | list}
    if kind in types and not isinstance(value, types[kind]):
        raise NoValueError
    return value


def references_in(data: Any) -> Iterator[Reference]:
    """The references in the arguments of an operation."""
    if isinstance(data, str):
        yield from find_references(data, lambda start, end: None)
    elif isinstance(data, Mapping):
        for item in data.values():
            yield from references_in(item)
    elif isinstance(data, list):
        for item in data:
            yield from references_in(item)


def filled(data: Any, scope: Mapping[str, Any]) -> Any:
    """Data with its references filled in.

    Args:
        scope: the values of input ports, and of ``context``.
    Raises:
        NoValueError: a reference leads nowhere.
    """
    if isinstance(data, Mapping):
        return {key: filled(item, scope) for key, item in data.items()}
    if isinstance(data, list):
        return [filled(item, scope) for item in data]
    if not isinstance(data, str):
        return data
    references = find_references(data, lambda start, end: None)
    if is_single(data, references):
        return _value(references[0], scope)
    text, at = "", 0
    for reference in references:
        value = _value(reference, scope)
        text += data[at : reference.start]
        text += value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        at = reference.end
    return text + data[at:]


def _value(reference: Reference, scope: Mapping[str, Any]) -> Any:
    if reference.root == "env":
        return f"${{env.{reference.path[0]}}}"  # what stands in for the variable in tests
    return at_place(scope, (reference.root, *reference.path))
