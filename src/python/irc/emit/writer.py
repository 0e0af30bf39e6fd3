"""A writer of Python text that remembers which part of the flow each line comes from."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from irc.diagnostics import Span
from irc.emit.code import INDENT, Code, render

_MARK = re.compile("\0(-?[0-9]+)\0")


def line_mark(delta: int) -> str:
    """What stands for the number of a line of the flow, counted from the line of its node.

    So a node's code does not depend on where the node stands. Marks are as wide as the number of a
    line of most flows, since the layout counts them.
    """
    return f"\0{delta:03d}\0"


@dataclass(frozen=True)
class Run:
    """Generated lines of one origin.

    Attributes:
        first, last: the lines, from 1, both included.
        node: the node that they belong to.
        span: the part of a source that they come from.
    """

    first: int
    last: int
    node: str | None
    span: Span


@dataclass(frozen=True)
class Block:
    """Lines of one node, wherever the node stands.

    Attributes:
        text: the lines; ``line_mark`` stands for numbers of lines.
        runs: first and last line (from 0), file, and the span: line, column, end line, end
            column. Lines of the flow's own file are counted from the node's, and its name is empty.
    """

    text: str = ""
    runs: Sequence[tuple[int, int, str, int, int, int, int]] = ()


@dataclass
class Writer:
    """Collects lines, and runs of lines of one origin.

    A large flow has a hundred thousand runs: each is eight integers here.
    """

    lines: list[str] = field(default_factory=list)
    _runs: array[int] = field(default_factory=lambda: array("q"))
    _names: dict[str | None, int] = field(default_factory=dict)
    _indent: int = 0
    _origin: tuple[int, ...] | None = None

    @contextmanager
    def indented(self, steps: int = 1) -> Iterator[None]:
        self._indent += steps
        yield
        self._indent -= steps

    @contextmanager
    def origin(self, node: str | None, span: Span) -> Iterator[None]:
        """Say where the lines written inside come from."""
        before, self._origin = self._origin, self._key(node, span)
        yield
        self._origin = before

    def line(self, text: str = "", code: Code | None = None, after: str = "") -> None:
        """Write a statement: text, an expression behind it, and what follows it."""
        if code is not None:
            indent = INDENT * self._indent
            text += render(code, self._indent, len(indent) + len(text), len(after))
        first, *rest = (text + after).split("\n")
        # Only the first line is indented here: `render` has laid out the others, and the lines of
        # a text in triple quotes stand as they are.
        start = len(self.lines) + 1
        self.lines.append(INDENT * self._indent + first if first else "")
        self.lines += rest
        if self._origin is not None:
            self._add(start, len(self.lines), self._origin)

    def blank(self, count: int = 1) -> None:
        self.lines += [""] * count

    def raw(self, lines: Sequence[tuple[str, Span | None]], node: str) -> None:
        """Write lines as they are, each with where it stands in a source."""
        for text, span in lines:
            self.lines.append(text)
            if text and span is not None:
                self._add(len(self.lines), len(self.lines), self._key(node, span))

    def block(self, block: Block, node: str, file: str, line: int) -> None:
        """Write a block of a node that stands on a line of a file."""
        text = block.text
        if not text:
            return
        if "\0" in text:
            text = _MARK.sub(lambda match: str(line + int(match[1])), text)
        start = len(self.lines) + 1
        self.lines += text.split("\n")
        for first, last, other, *at in block.runs:
            span = Span(other, *at) if other else Span(file, at[0] + line, at[1], at[2] + line, at[3])
            self._add(start + first, start + last, self._key(node, span))

    def to_block(self, file: str, line: int) -> Block:
        """What was written for a node that stands on a line of a file."""
        runs = []
        for run in self.runs():
            span = run.span
            if span.file == file:
                at = (span.line - line, span.column, span.end_line - line, span.end_column)
                runs.append((run.first - 1, run.last - 1, "", *at))
            else:
                at = (span.line, span.column, span.end_line, span.end_column)
                runs.append((run.first - 1, run.last - 1, span.file, *at))
        return Block("\n".join(self.lines), tuple(runs))

    def runs(self) -> Iterator[Run]:
        """The runs, in order."""
        names = list(self._names)
        for at in range(0, len(self._runs), 8):
            first, last, node, file, *span = self._runs[at : at + 8]
            yield Run(first, last, names[node], Span(str(names[file]), *span))

    def extend(self, other: Writer) -> None:
        """Write all that another writer holds."""
        offset = len(self.lines)
        self.lines += other.lines
        for run in other.runs():
            self._add(run.first + offset, run.last + offset, self._key(run.node, run.span))

    def _key(self, node: str | None, span: Span) -> tuple[int, ...]:
        names = self._names
        return (
            names.setdefault(node, len(names)),
            names.setdefault(span.file, len(names)),
            span.line,
            span.column,
            span.end_line,
            span.end_column,
        )

    def _add(self, first: int, last: int, key: tuple[int, ...]) -> None:
        runs = self._runs
        if len(runs) and runs[-7] == first - 1 and tuple(runs[-6:]) == key:
            runs[-7] = last
        else:
            runs.extend((first, last, *key))

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
