"""Diagnostics: structured data first, text second.

A pass adds all it can find to one ``Diagnostics``; the renderers below turn them into text for
people and JSON for tools.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from irc.codes import CODES


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Span:
    """A part of a file; lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: a key of ``irc.codes.CODES``.
        span: where it stands.
        message: what is wrong, without a final full stop.
        related: other places that explain it.
        hint: what to do, where that is known.
    """

    code: str
    severity: Severity
    span: Span
    message: str
    related: tuple[tuple[Span, str], ...] = ()
    hint: str | None = None


class Diagnostics:
    """The findings so far, each once, in the order of the file when read."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, Span, str], Diagnostic] = {}

    def error(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        related: Sequence[tuple[Span, str]] = (),
        hint: str | None = None,
    ) -> None:
        if code == "E501":  # its messages name the thing only
            message += ": not supported by this version of irc"
        self._add(Diagnostic(code, Severity.ERROR, span, message, tuple(related), hint))

    def warning(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        related: Sequence[tuple[Span, str]] = (),
        hint: str | None = None,
    ) -> None:
        self._add(Diagnostic(code, Severity.WARNING, span, message, tuple(related), hint))

    def _add(self, item: Diagnostic) -> None:
        assert item.code in CODES, item.code
        self._items.setdefault((item.code, item.span, item.message), item)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.sorted())

    def sorted(self) -> list[Diagnostic]:
        """All findings by position, then code."""
        return sorted(self._items.values(), key=lambda item: (item.span, item.code, item.message))

    @property
    def has_errors(self) -> bool:
        return any(item.severity is Severity.ERROR for item in self._items.values())


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a misspelt word most likely means."""
    for match in difflib.get_close_matches(word, sorted(candidates), n=3, cutoff=0.6):
        ratio = difflib.SequenceMatcher(None, word, match).ratio()
        if ratio >= 0.8 or match[:1] == word[:1]:  # else `text` would mean `context`
            return match
    return None


def did_you_mean(word: str, candidates: Iterable[str], before: str = "") -> str | None:
    """A hint that names the nearest candidate, or None where none is near.

    Args:
        before: what stands before the candidate in the flow.
    """
    match = nearest(word, candidates)
    return f"did you mean '{before}{match}'?" if match else None


MAX_EXCERPT_COLUMNS = 160


def render_text(items: Iterable[Diagnostic], sources: Mapping[str, Sequence[str]]) -> str:
    """Findings for people, each with the line it stands on.

    Args:
        items: the findings.
        sources: the lines of each file by its name; a file that is absent has no excerpt.
    """
    return "\n".join(_render_one(item, sources) for item in items)


def _render_one(item: Diagnostic, sources: Mapping[str, Sequence[str]]) -> str:
    span = item.span
    parts = [f"{span}: {item.severity}[{item.code}]: {item.message}"]
    lines = sources.get(span.file, ())
    if span.line <= len(lines):
        parts.append(_excerpt(span, lines[span.line - 1]))
    for related, note in item.related:
        parts.append(f"note: {related}: {note}")
    if item.hint:
        parts.append(f"hint: {item.hint}")
    parts.append(f"help: docs/errors.md#{item.code}")
    return "\n".join(parts) + "\n"


def _excerpt(span: Span, line: str) -> str:
    """The line and carets below the span; a long line is cut around it, which `…` shows."""
    first = max(0, span.column - 1 - MAX_EXCERPT_COLUMNS // 2)
    shown = line[first : first + MAX_EXCERPT_COLUMNS].replace("\t", " ")
    start = span.column - 1 - first
    end = span.end_column - 1 - first if span.end_line == span.line else len(shown.rstrip())
    width = max(1, min(end, len(shown)) - start)
    printable = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown
    ).rstrip()
    if first:
        printable = "…" + printable[1:]
    if len(line) > first + MAX_EXCERPT_COLUMNS:
        printable += "…"
    return f"{span.line:>4} | {printable}".rstrip() + f"\n     | {' ' * start}{'^' * width}"


def render_json(items: Iterable[Diagnostic]) -> str:
    """Findings for tools: a JSON array of objects."""

    def position(span: Span) -> dict[str, object]:
        return {
            "file": span.file,
            "line": span.line,
            "column": span.column,
            "end_line": span.end_line,
            "end_column": span.end_column,
        }

    rows = [
        {
            "code": item.code,
            "severity": item.severity.value,
            "message": item.message,
            **position(item.span),
            "related": [{**position(span), "message": note} for span, note in item.related],
            "hint": item.hint,
        }
        for item in items
    ]
    return json.dumps(rows, indent=2) + "\n"
