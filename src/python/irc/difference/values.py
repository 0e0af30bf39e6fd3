"""Comparing values, part by part."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        place: where, with dots: ``nodes.answer.prompt.temperature``.
        before, after: the values; None on the side where there is none.
    """

    place: str
    kind: Kind
    before: Any = None
    after: Any = None

    @property
    def lines(self) -> list[str]:
        """The differing lines of two texts, as ``diff -u`` has them; else none."""
        texts = self.before, self.after
        if not all(isinstance(text, str) for text in texts) or not any("\n" in t for t in texts):
            return []
        before, after = (text.splitlines() for text in texts)
        return list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]


ABSENT = object()
"""Stands for a value that is not there."""


def compare(place: str, before: Any, after: Any) -> Iterator[Change]:
    """The differences of two values: mappings by key, named things by name, all else as a whole."""
    if isinstance(before, list) and isinstance(after, list):
        named = _by_name(before), _by_name(after)
        if named[0] is not None and named[1] is not None:
            yield from compare(place, *named)
            if [k for k in named[0] if k in named[1]] != [k for k in named[1] if k in named[0]]:
                yield Change(f"{place}.(order)", Kind.CHANGED, list(named[0]), list(named[1]))
            return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            inner = f"{place}.{key}" if place else str(key)
            yield from compare(inner, before.get(key, ABSENT), after.get(key, ABSENT))
    elif before is ABSENT:
        yield Change(place, Kind.ADDED, None, after)
    elif after is ABSENT:
        yield Change(place, Kind.REMOVED, before, None)
    elif not same(before, after):
        yield Change(place, Kind.CHANGED, before, after)


def same(before: Any, after: Any) -> bool:
    """Equality that tells 1 from True, and not 1 from 1.0: both are JSON's number."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(same, before, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
    return bool(before == after)


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """A list of things with different names, by name; None for other lists."""
    found: dict[str, Any] = {}
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name in found:
            return None
        found[name] = {key: value for key, value in item.items() if key != "name"}
    return found
