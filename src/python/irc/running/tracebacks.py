"""Tracebacks as texts: the frames that they name, and notes behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>[0-9]{1,9})(?:, in [^\r\n]*)?')
"""As CPython writes it, wherever it stands on a line: logs have tracebacks behind other text."""


def frames(text: str) -> Iterator[tuple[int, str, int]]:
    """The frames in a text: where each ends, its file, and its line."""
    for match in _FRAME.finditer(text):
        yield match.end(), match["file"], int(match["line"])


def with_notes(text: str, notes: Mapping[int, str]) -> str:
    """The text with a note in brackets at each of these places."""
    parts, start = [], 0
    for at, note in sorted(notes.items()):
        parts += [text[start:at], f" ({note})"]
        start = at
    return "".join([*parts, text[start:]])
