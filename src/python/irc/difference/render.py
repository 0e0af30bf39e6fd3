"""Differences as text for people, and as JSON for tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from irc.difference.flows import Difference
from irc.difference.values import Change, Kind

SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}
MAX_VALUE_COLUMNS = 60


def render_text(difference: Difference) -> str:
    """One line a change, with the lines of texts below; what callers see comes first."""
    lines = []
    if difference.contract:
        lines.append(f"contract: {difference.impact}")
        lines += [f"  {change.impact}: {change.text}" for change in difference.contract]
    for change in difference.changes:
        lines += _lines(change)
    return "".join(f"{line}\n" for line in lines)


def _lines(change: Change) -> Iterator[str]:
    head = f"{SIGNS[change.kind]} {change.place}"
    if change.lines:
        yield head
        yield from (f"    {line}".rstrip() for line in change.lines)
    elif change.kind is Kind.CHANGED:
        yield f"{head}: {_shown(change.before)} -> {_shown(change.after)}"
    else:
        value = change.after if change.kind is Kind.ADDED else change.before
        yield head if isinstance(value, dict) else f"{head}: {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value:
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_COLUMNS else text[: MAX_VALUE_COLUMNS - 1] + "…"


def render_json(difference: Difference) -> str:
    """An object with ``impact``, ``contract`` and ``changes``."""
    document = {
        "impact": difference.impact,
        "contract": [
            {"impact": change.impact, "text": change.text} for change in difference.contract
        ],
        "changes": [
            {
                "place": change.place, "kind": change.kind,
                "before": change.before, "after": change.after,
            }
            for change in difference.changes
        ],
    }  # fmt: skip
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
