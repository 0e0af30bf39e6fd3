"""Source files, and documents whose every value has its span."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from irc.diagnostics import Span

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and indices from the root."""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What libyaml counts as the end of a line."""

_OTHER_BREAKS = "\r\x85\u2028\u2029"


@dataclass(frozen=True)
class SourceFile:
    """A text and the name it is shown under.

    Attributes:
        name: path relative to the build root, with forward slashes.
        text: the whole text.
    """

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        if any(char in self.text for char in _OTHER_BREAKS):
            return _BREAK.split(self.text)
        return self.text.split("\n")

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _BREAK.finditer(self.text))]

    def text_of(self, first: int, last: int) -> str:
        """The lines from one to another, both included, with the breaks at their ends."""
        starts = [*self._line_starts[first - 1 : last + 1], len(self.text)]
        return self.text[starts[0] : starts[last - first + 1]]

    def position(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column of a character offset."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line_span(self, line: int) -> Span:
        """The span of a line, its indentation left out."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return Span(self.name, line, len(text) - len(text.lstrip()) + 1, line, len(text) + 1)

    def span(self, start: int, end: int) -> Span:
        """The span between two character offsets."""
        return Span(self.name, *self.position(start), *self.position(end))


@dataclass
class Document:
    """A parsed document and where each of its values stands.

    Attributes:
        values: span of each value by path.
        keys: span of each mapping key by the path of its value.
        styles: how a scalar is written: ``|``, ``>``, ``'``, ``"`` or empty for a plain one.
        has_aliases: whether a value stands for another that is written elsewhere.
        locate: reads the text again for the spans that ``values``, ``keys`` and ``styles`` do not
            hold yet; None where they hold all.
    """

    source: SourceFile
    values: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)
    styles: dict[Path, str] = field(default_factory=dict)
    has_aliases: bool = False
    locate: Callable[[], None] | None = None
    _data: Any = None

    @property
    def data(self) -> Any:
        """The document as plain Python values."""
        if self._data is None:
            self._read_again()
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self._data = data

    def _find(self, path: Path, spans: dict[Path, Span]) -> None:
        """See to it that the span of a path is there, if there is one."""
        if path not in spans:
            self._read_again()

    def _read_again(self) -> None:
        if self.locate is not None:
            locate, self.locate = self.locate, None
            locate()

    def forget(self) -> None:
        """Give back the plain values, where they can be read again."""
        if self.locate is not None and not self.has_aliases:
            self._data = None

    def span(self, path: Path) -> Span:
        """The span of a value, or of the nearest value around it."""
        self._find(path, self.values)
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Span(self.source.name, 1, 1, 1, 1))

    def key_span(self, path: Path) -> Span:
        """The span of the key that leads to a value; the value's own for list items."""
        self._find(path, self.keys)
        return self.keys.get(path) or self.span(path)

    def text_span(self, path: Path, start: int, end: int) -> Span:
        """The span of a part of a string value, by offsets into its parsed text.

        Exact for block scalars and for quoted or plain scalars on one line without escapes; the
        whole value otherwise.
        """
        whole = self.span(path)
        value = self.data
        for key in path:
            value = value[key]
        if not isinstance(value, str):
            return whole
        style = self.styles.get(path, "")
        if style == "|":
            return self._block_span(whole, value, start, end)
        line = self.source.lines[whole.line - 1]
        first = whole.column - 1 + (1 if style in {"'", '"'} else 0)
        if whole.line == whole.end_line and line[first : first + len(value)] == value:
            return Span(
                whole.file,
                whole.line,
                first + 1 + start,
                whole.line,
                first + 1 + max(end, start + 1),
            )
        return whole

    def _block_span(self, whole: Span, value: str, start: int, end: int) -> Span:
        row = value.count("\n", 0, start)
        column = start - (value.rfind("\n", 0, start) + 1)
        first = whole.line + 1  # the text starts on the line after the indicator
        lines = self.source.lines
        if first - 1 + row >= len(lines):
            return whole
        content = value.split("\n")[row]
        indent = lines[first - 1 + row].find(content) if content else 0
        if indent < 0:
            return whole
        length = max(1, min(end - start, len(content) - column))
        at = indent + column + 1
        return Span(whole.file, first + row, at, first + row, at + length)

    def block_first_line(self, path: Path) -> int | None:
        """The line of a text's first line; None where lines of the text are not lines of the file."""
        span = self.span(path)
        return span.line + 1 if self.styles.get(path) == "|" else None
