"""Escapes of JSON that YAML writes otherwise: a character beyond U+FFFF is two of them, and one of YAML's."""

from __future__ import annotations

import bisect
import re

import yaml

from irc.diagnostics import Span
from irc.source import SourceFile

_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)
"""JSON's two escapes for one character beyond U+FFFF, which YAML writes as one."""


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00):08x}"


class JoinedText:
    """A source as YAML reads it: in JSON, two escapes for one character are joined.

    Attributes:
        text: what YAML reads; marks point into it.
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.text = source.text
        self._joined: dict[int, list[int]] = {}  # by line, the columns after a joined escape
        if not source.name.endswith(".json"):
            return
        for match in _SURROGATES.finditer(source.text):
            line, column = source.position(match.end())
            columns = self._joined.setdefault(line - 1, [])
            columns.append(column - 1 - _LOST * (len(columns) + 1))
        if self._joined:
            self.text = _SURROGATES.sub(_joined, source.text)

    def place(self, mark: yaml.Mark) -> tuple[int, int]:
        """The line and the column of a mark in the source, from 1."""
        columns = self._joined.get(mark.line)
        moved = _LOST * bisect.bisect_right(columns, mark.column) if columns else 0
        return mark.line + 1, mark.column + 1 + moved

    def span(self, mark: yaml.Mark) -> Span:
        """The character at a mark."""
        line, column = self.place(mark)
        return Span(self.source.name, line, column, line, column + 1)

    def span_of_byte(self, offset: int) -> Span:
        """The character at an offset into the text in UTF-8."""
        before = self.text.encode()[:offset].decode(errors="ignore")
        line, column = SourceFile(self.source.name, before).position(len(before))
        return self.span(yaml.Mark("", 0, line - 1, column - 1, None, 0))


_LOST = len(r"\ud83d\ude00") - len(r"\U0001f600")
"""How many columns joining takes away."""
