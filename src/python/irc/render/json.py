"""Findings for tools: a JSON array of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable

from irc.diagnostics import Diagnostic, Span


def render_json(items: Iterable[Diagnostic]) -> str:
    """The findings as an array; an object's keys are those of ``Diagnostic`` and ``Span``."""
    rows = [
        {
            "code": item.code,
            "severity": item.severity.value,
            "message": item.message,
            **_position(item.span),
            "related": [{**_position(span), "message": note} for span, note in item.related],
            "hint": item.hint,
        }
        for item in items
    ]
    return json.dumps(rows, indent=2) + "\n"


def _position(span: Span) -> dict[str, str | int]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
