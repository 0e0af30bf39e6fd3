"""Findings for people: each with the line it stands on and a mark below what is meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from irc.diagnostics import Diagnostic, Severity, Span

MAX_EXCERPT_COLUMNS = 160

Style = Literal["place", "error", "warning", "message", "gutter", "mark", "label", "plain"]
"""What a piece of the text is; a terminal shows each in its own way."""

Piece = tuple[str, Style]


def render_text(items: Iterable[Diagnostic], sources: Mapping[str, Sequence[str]]) -> str:
    """The findings as plain text.

    Args:
        items: the findings.
        sources: the lines of each file by its name; a file that is absent has no excerpt.
    """
    return "".join(text for text, _ in pieces(items, sources))


def pieces(items: Iterable[Diagnostic], sources: Mapping[str, Sequence[str]]) -> Iterator[Piece]:
    """The pieces of the text in order; together they are what ``render_text`` gives."""
    for number, item in enumerate(items):
        if number:
            yield "\n", "plain"
        yield from _finding(item, sources.get(item.span.file, ()))


def _finding(item: Diagnostic, lines: Sequence[str]) -> Iterator[Piece]:
    span = item.span
    severity: Style = "error" if item.severity is Severity.ERROR else "warning"
    yield f"{printable(str(span))}:", "place"
    yield " ", "plain"
    yield f"{item.severity}[{item.code}]", severity
    yield f": {printable(item.message)}", "message"
    yield "\n", "plain"
    if span.line <= len(lines):
        yield from _excerpt(span, lines[span.line - 1])
    for related, note in item.related:
        yield from _line("note", f"{related}: {note}")
    if item.hint:
        yield from _line("hint", item.hint)
    yield from _line("help", f"docs/errors.md#{item.code}")


def _line(label: str, text: str) -> Iterator[Piece]:
    yield f"{label}:", "label"
    yield f" {printable(text)}\n", "plain"


def excerpt(span: Span, lines: Sequence[str]) -> str:
    """The first line of a span with carets below it; empty where it is not among the lines."""
    if span.line > len(lines):
        return ""
    return "".join(text for text, _ in _excerpt(span, lines[span.line - 1]))


def _excerpt(span: Span, line: str) -> Iterator[Piece]:
    """The line and carets below the span; a long line is cut around it, which `…` shows."""
    first = max(0, span.column - 1 - MAX_EXCERPT_COLUMNS // 2)
    shown = line[first : first + MAX_EXCERPT_COLUMNS].replace("\t", " ")
    start = span.column - 1 - first
    width = _width(span, shown, start, first)
    text = printable(shown).rstrip()
    if first:
        text = "…" + text[1:]
    if len(line) > first + MAX_EXCERPT_COLUMNS:
        text += "…"
    yield f"{span.line:>4} |", "gutter"
    yield f" {text}".rstrip() + "\n", "plain"
    yield "     |", "gutter"
    yield f" {' ' * start}", "plain"
    yield "^" * width, "mark"
    yield "\n", "plain"


def _width(span: Span, shown: str, start: int, first: int) -> int:
    end = span.end_column - 1 - first if span.end_line == span.line else len(shown.rstrip())
    return max(1, min(end, len(shown)) - start)


def printable(text: str) -> str:
    """A text on one line, with no character that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
