"""A writer of Python text that remembers which part of the flow each line comes from."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from irc.diagnostics import Span
from irc.emit.code import INDENT, Code, render

_MARK = re.compile("\0(-?[0-9]+)\0")


def line_mark(delta: int) -> str:
    """What stands for the number of a line of the flow, counted from the line of its node.

    So a node's code does not depend on where the node stands. Marks are as wide as the number of a
    line of most flows, since the layout counts them.
    """
    return f"\0{delta:03d}\0"


VERBATIM = 0
"""The column of a run whose lines are those of a file, one by one, from the span's line on."""

Run = tuple[int, int, str | None, str, int, int, int, int]
"""Generated lines of one origin: the first and the last, from 1 and both included, their node, and the
span they come from: file, line, column, end line, end column."""


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A literal of a statement that has a place of its own in a source.

    Attributes:
        before: what stands right before it.
        literal: the literal as it is written.
        span: the place of its text.
        is_verbatim: whether its lines are those of the file from the span's line on.
    """

    before: str
    literal: str
    span: Span
    is_verbatim: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one node, wherever the node stands.

    Attributes:
        text: the lines; ``line_mark`` stands for numbers of lines.
        runs: first and last line (from 0), file, and the span as in ``Run``. Lines of the flow's
            own file are counted from the node's, and its name is empty.
    """

    text: str = ""
    runs: Sequence[tuple[int, int, str, int, int, int, int]] = ()


class Writer:
    """Collects lines, and runs of lines of one origin.

    A large flow has a hundred thousand runs: each is eight integers here.
    """

    def __init__(self) -> None:
        self.length = 0
        self._texts: list[str] = []
        self._runs = array("i")
        self._names: dict[str | None, int] = {}
        self._indent = 0
        self._origin: tuple[int, ...] | None = None
        self._last_key: tuple[int, ...] | None = None

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

    def line(
        self,
        text: str = "",
        code: Code | None = None,
        after: str = "",
        texts: Sequence[PlacedText] = (),
    ) -> None:
        """Write a statement: text, an expression behind it, and what follows it.

        Args:
            texts: what in it has a place of its own, in order.
        """
        indent = INDENT * self._indent
        if code is not None:
            text += render(code, self._indent, len(indent) + len(text), len(after))
        text += after
        # Only the first line is indented here: `render` has laid out the others, and the lines of
        # a text in triple quotes stand as they are.
        start = self.length + 1
        self._write(indent + text if text else "")
        if self._origin is None:
            return
        if texts and start < self.length:
            start = self._add_texts(text, start, texts)
        if start <= self.length:
            self._add(start, self.length, self._origin)

    def _add_texts(self, written: str, start: int, texts: Sequence[PlacedText]) -> int:
        """Say where the literals in a statement come from, and the lines before each.

        Returns:
            The line after the last literal's.
        """
        assert self._origin is not None
        line, at = start, 0
        for text in texts:
            found = written.find(text.before + text.literal, at)
            if found < 0:
                continue
            line += written.count("\n", at, found)
            breaks = text.literal.count("\n")
            # A literal of several lines opens on one of its own, and may close on another.
            first = line + (breaks > 0)
            last = line + breaks - text.literal.endswith(('\n"""', "\n)"))
            at, line = found + len(text.before + text.literal), line + breaks
            if first < start:
                continue
            if start < first:
                self._add(start, first - 1, self._origin)
            at_file, at_line, *columns = self._place(text.span)
            if text.is_verbatim:
                columns = [VERBATIM, at_line, 0]
            self._add(first, last, (self._origin[0], at_file, at_line, *columns))
            start = last + 1
        return start

    def blank(self, count: int = 1) -> None:
        self._texts += [""] * count
        self.length += count

    def raw(self, lines: Sequence[tuple[str, int | None]], node: str, file: str) -> None:
        """Write lines as they are, each with the line of the file that it is."""
        names = self._names
        node_at, at = (names.setdefault(name, len(names)) for name in (node, file))
        first = of = 0  # where a run begins, and which line of the file that is
        for text, line in lines:
            self._write(text)
            if first and line != of + self.length - first:
                self._add(first, self.length - 1, (node_at, at, of, VERBATIM, of, 0))
                first = 0
            if not first and line is not None:
                first, of = self.length, line
        if first:
            self._add(first, self.length, (node_at, at, of, VERBATIM, of, 0))

    def block(self, block: Block, node: str, file: str, line: int) -> None:
        """Write a block of a node that stands on a line of a file."""
        text = block.text
        if not text:
            return
        if "\0" in text:
            text = _MARK.sub(lambda match: str(line + int(match[1])), text)
        start = self.length + 1
        self._write(text)
        names = self._names
        node_at = names.setdefault(node, len(names))
        own_at = names.setdefault(file, len(names))
        for first, last, other, from_line, column, to_line, to_column in block.runs:
            at, moved = own_at, line
            if other:
                at, moved = names.setdefault(other, len(names)), 0
            first, last = first + start, last + start
            at_lines = (from_line + moved, column, to_line + moved, to_column)
            self._runs.extend((first, last, node_at, at, *at_lines))
        self._last_key = None

    def to_block(self, file: str, line: int) -> Block:
        """What was written for a node that stands on a line of a file."""
        names = list(self._names)
        raw, runs = self._runs, []
        for at in range(0, len(raw), 8):
            first, last, _, of, from_line, column, to_line, to_column = raw[at : at + 8]
            own = names[of] == file
            moved = line if own else 0
            span = (from_line - moved, column, to_line - moved, to_column)
            runs.append((first - 1, last - 1, "" if own else str(names[of]), *span))
        return Block("\n".join(self._texts), tuple(runs))

    def runs(self) -> Iterator[Run]:
        """The runs, in order."""
        names = list(self._names)
        runs = self._runs
        for at in range(0, len(runs), 8):
            first, last, node, file, line, column, end_line, end_column = runs[at : at + 8]
            yield first, last, names[node], str(names[file]), line, column, end_line, end_column

    def extend(self, other: Writer) -> None:
        """Write all that another writer holds."""
        offset = self.length
        self._texts += other._texts
        self.length += other.length
        names = [self._names.setdefault(name, len(self._names)) for name in other._names]
        runs = other._runs
        for at in range(0, len(runs), 8):
            first, last, node, file, *span = runs[at : at + 8]
            self._runs.extend((first + offset, last + offset, names[node], names[file], *span))
        self._last_key = None

    def _write(self, text: str) -> None:
        self._texts.append(text)
        self.length += text.count("\n") + 1

    def _key(self, node: str | None, span: Span) -> tuple[int, ...]:
        return (self._names.setdefault(node, len(self._names)), *self._place(span))

    def _place(self, span: Span) -> tuple[int, ...]:
        at = self._names.setdefault(span.file, len(self._names))
        return at, span.line, span.column, span.end_line, span.end_column

    def _add(self, first: int, last: int, key: tuple[int, ...]) -> None:
        runs = self._runs
        if key == self._last_key and runs[-7] == first - 1:
            runs[-7] = last
        else:
            runs.extend((first, last, *key))
            self._last_key = key

    def text(self) -> str:
        return "\n".join(self._texts) + "\n"
