"""Names inside f-strings: Python 3.11 gives no true positions for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence


def places_in_fields(lines: Sequence[str], node: ast.JoinedStr, name: str) -> list[tuple[int, int]]:
    """Where a name stands in the replacement fields of an f-string, as far as its text shows.

    Args:
        lines: the lines of the source.
        node: the f-string.
    Returns:
        Line (from 1) and byte column (from 0) of each place; names in quotes are left out.
    """
    pattern = re.compile(rf"(?<![\w.'\"]){re.escape(name)}(?![\w'\"])")
    found: list[tuple[int, int]] = []
    depth = 0
    for number, start, text in _segments(lines, node):
        inside = []
        at = 0
        while at < len(text):
            if depth == 0 and text[at : at + 2] in {"{{", "}}"}:
                at += 2
                inside += [False, False]
                continue
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            inside.append(depth > 0)
            at += 1
        for match in pattern.finditer(text):
            if inside[match.start()]:
                found.append((number, start + len(text[: match.start()].encode())))
    return found


def _segments(lines: Sequence[str], node: ast.JoinedStr) -> Iterator[tuple[int, int, str]]:
    """The lines of an f-string: number, byte column at which the string starts there, text."""
    last = node.end_lineno or node.lineno
    for number in range(node.lineno, last + 1):
        line = lines[number - 1].encode()
        start = node.col_offset if number == node.lineno else 0
        end = node.end_col_offset if number == last else len(line)
        yield number, start, line[start:end].decode("utf-8", "replace")
