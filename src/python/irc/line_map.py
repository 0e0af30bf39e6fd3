"""Line maps, read back: from a line of a generated module to its place in the flow, and the reverse."""

from __future__ import annotations

import bisect
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc.diagnostics import Diagnostics, Span
from irc.passes.secrets import masked_lines
from irc.source import SourceFile

VERSION = 3


class LineMapError(Exception):
    """A map, or a line in it, cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Place:
    """A line of a generated module, and where it comes from.

    Attributes:
        module: the module's file, as it was named.
        line: of the module, from 1, and ``text`` what it says.
        node: the node's id; None for what belongs to no node.
        span: in the flow or in a file that it refers to.
        source: the lines of that file as they may be shown; none where it is not there.
    """

    module: str
    line: int
    text: str
    node: str | None
    span: Span
    source: tuple[str, ...]


class LineMap:
    """The map of one module.

    Args:
        module: the module's file, for places.
        text: the module.
        content: the map, as it is written.
    Raises:
        LineMapError: it is not a map of this version, or of another text.
    """

    def __init__(self, module: str, text: bytes, content: str | bytes) -> None:
        self.module = module
        self.lines = text.decode("utf-8", "replace").split("\n")
        beside = f"{module.removesuffix('.py')}.map.json"
        try:
            raw = json.loads(content)
            if raw["version"] != VERSION:
                raise LineMapError(f"{beside} is of another version of irc: compile the flow again")
            digest, self._rows, self._sources = raw["digest"], raw["lines"], raw["sources"]
            self._firsts = [row[0] for row in self._rows]
        except (KeyError, TypeError, ValueError, IndexError):
            raise LineMapError(f"{beside} is no line map: compile the flow again") from None
        if digest != f"sha256:{hashlib.sha256(text).hexdigest()}":
            raise LineMapError(
                f"{beside} does not fit {module}, which has changed: compile the flow again"
            )
        self._files: dict[str, SourceFile | None] = {}

    def place(self, line: int) -> Place:
        """Where a line comes from.

        Raises:
            LineMapError: there is no such line, or it comes from no place in the flow.
        """
        count = len(self.lines) - 1  # the last one ends as well
        if not 1 <= line <= count:
            raise LineMapError(f"{self.module} has the lines 1 to {count}")
        at = bisect.bisect_right(self._firsts, line) - 1
        if at < 0 or line > self._rows[at][1]:
            raise LineMapError(f"{self.module}:{line} comes from no place in the flow")
        return self._place(self._rows[at], line)

    def lines_of(self, file: str, line: int) -> list[Place]:
        """The generated lines that come from a line of a file; of nested spans the smallest counts."""
        found: dict[int, list[Place]] = {}
        for row in self._rows:
            first, last, _, source, start, *span = row
            if self._sources[source] != file:
                continue
            if not span and start <= line <= start + last - first:
                found.setdefault(0, []).append(self._place(row, first + line - start))
            elif span and start <= line <= (end := _last_line(span)):
                places = (self._place(row, number) for number in range(first, last + 1))
                found.setdefault(1 + end - start, []).extend(places)
        return found[min(found)] if found else []

    def _place(self, row: list[Any], line: int) -> Place:
        first, _, node, source, start, *span = row
        name = self._sources[source]
        file = self._file(name)
        if span:
            place = Span(name, start, *span)
        elif file is None:
            place = Span(name, start + line - first, 1, start + line - first, 1)
        else:
            place = file.line_span(start + line - first)
        shown = () if file is None else tuple(masked_lines(file))
        return Place(self.module, line, self.lines[line - 1], node, place, shown)

    def _file(self, name: str) -> SourceFile | None:
        if name not in self._files:
            from irc.reading import decode  # which loads a YAML parser

            try:
                self._files[name] = decode(name, Path(name).read_bytes(), Diagnostics())
            except OSError:
                self._files[name] = None
        return self._files[name]


def _last_line(span: list[int]) -> int:
    """The last line of a span of column, end line and end column; its end is exclusive."""
    _, end_line, end_column = span
    return end_line - (end_column == 1)


def read_line_map(module: Path) -> LineMap:
    """The map beside a generated module.

    Raises:
        LineMapError: the module or its map is not there, or they do not fit.
    """
    beside = module.with_suffix(".map.json")
    try:
        text = module.read_bytes()
    except OSError as error:
        raise LineMapError(f"{module}: {error.strerror or error}") from None
    try:
        content = beside.read_bytes()
    except OSError as error:
        raise LineMapError(
            f"{beside}: {error.strerror or error}: 'irc compile' writes it beside the module"
        ) from None
    return LineMap(str(module), text, content)
