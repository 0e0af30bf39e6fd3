"""Findings as workflow commands of GitHub Actions, which shows them beside the lines of a change.

The form and its escapes are those of the runner: docs.github.com, "Workflow commands", and the
parser in actions/runner (``ActionCommand``).
"""

from __future__ import annotations

from collections.abc import Iterable

from irc.diagnostics import Diagnostic

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render_github(items: Iterable[Diagnostic]) -> str:
    """One command a finding; notes and the hint are further lines of its message."""
    return "".join(f"{_command(item)}\n" for item in items)


def _command(item: Diagnostic) -> str:
    span = item.span
    properties: dict[str, str | int] = {
        "file": span.file, "line": span.line, "endLine": span.end_line,
    }  # fmt: skip
    if span.line == span.end_line:  # columns are taken only within one line
        properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = item.code
    said = ",".join(f"{key}={str(value).translate(_PROPERTY)}" for key, value in properties.items())
    lines = [item.message, *(f"note: {place}: {note}" for place, note in item.related)]
    if item.hint:
        lines.append(f"hint: {item.hint}")
    message = "\n".join(lines).translate(_DATA)
    return f"::{item.severity.value} {said}::{message}"
