"""A writer of Python text that remembers which line of the flow each line comes from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from irc.emit.code import INDENT, Code, render


@dataclass(frozen=True)
class Origin:
    """Where a generated line comes from: a node (or None) and a line of the flow's file."""

    node: str | None
    line: int


@dataclass
class Writer:
    """Collects lines.

    Attributes:
        lines: the text so far.
        origins: by generated line (from 1), where it comes from.
    """

    lines: list[str] = field(default_factory=list)
    origins: dict[int, Origin] = field(default_factory=dict)
    _indent: int = 0
    _origin: Origin | None = None

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._indent += 1
        yield
        self._indent -= 1

    @contextmanager
    def origin(self, node: str | None, line: int) -> Iterator[None]:
        """Say where the lines written inside come from."""
        before, self._origin = self._origin, Origin(node, line)
        yield
        self._origin = before

    def line(self, text: str = "", code: Code | None = None, after: str = "") -> None:
        """Write a statement: text, an expression behind it, and what follows it."""
        if code is not None:
            indent = INDENT * self._indent
            text += render(code, self._indent, len(indent) + len(text), len(after))
        self._write(text + after)

    def blank(self, count: int = 1) -> None:
        for _ in range(count):
            self.lines.append("")

    def raw(self, lines: list[tuple[str, int | None]], node: str) -> None:
        """Write lines as they are, each with the flow's line that it is."""
        for text, line in lines:
            self.lines.append(text)
            if text and line is not None:
                self.origins[len(self.lines)] = Origin(node, line)

    def _write(self, text: str) -> None:
        first, *rest = text.split("\n")
        indent = INDENT * self._indent
        # Only the first line is indented here: `render` has laid out the others, and the lines of
        # a text in triple quotes stand as they are.
        for line in [indent + first if first else "", *rest]:
            self.lines.append(line)
            if self._origin is not None:
                self.origins[len(self.lines)] = self._origin

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
