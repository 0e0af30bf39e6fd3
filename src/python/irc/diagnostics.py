"""Diagnostics: structured data first, text second.

A pass adds all it can find to one ``Diagnostics``; ``irc.render`` turns them into text for people
and into documents for tools.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from irc.codes import CODES


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True, slots=True)
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

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Take over the findings of a part."""
        for item in others:
            self._add(item)

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self._items)

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
