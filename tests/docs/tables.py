"""The tables of a page, and what runs their rows.

A comment above a table, which readers do not see, says where its examples belong:

    <!-- examples: in nodes.count.state of counter -->    keys of a mapping in that flow
    <!-- examples: as edges.0 of triage -->               a value in that flow
    <!-- examples: text edges.0.transform of facts -->    the text of a value
    <!-- examples: in of greeter -->                      keys of the flow itself

Flows are those of the page, by their names. An example is a text in backticks in the column
``example``; a code behind it, such as ``[E203](errors.md#E203)``, is what the compiler says of it. Where
there are columns ``request`` and ``gives``, the agent is run. Instead of an example, a row may have a
link to a section of the page with a complete flow.

Rows that no flow can show are those of tests, by the text of their first cell, or ``*``:

    <!-- tests
    token: tests/irc_runtime/test_streaming.py::test_tokens_come_one_by_one
    -->
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LINES = re.compile(
    r"^(?P<title>#+ [^\n]+)$|(?P<marker><!--.*?-->)\n|(?P<table>(?:^\|[^\n]*\n)+)|^```.*?^```$",
    re.MULTILINE | re.DOTALL,
)
_MARKS = re.compile(r"`|\[([^]]+)\]\([^)]*\)")
_CELL = re.compile(r"(?<!\\)\|")
_EXAMPLE = re.compile(r"`(?P<text>[^`]+)`(?:\s*\[(?P<code>[EW][0-9]+)\])?")
_PLACE = re.compile(
    r"<!-- examples: (?P<how>in|as|text) (?:(?P<path>[\w.]+) )?of (?P<flow>[\w-]+)\s"
)
_TEST = re.compile(r"^(?P<row>.+): (?P<file>\S+)::(?P<test>\w+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(#(?P<anchor>[\w-]+)\)")


@dataclass(frozen=True)
class Row:
    """A row by the names of its columns."""

    section: str
    cells: dict[str, str]
    marker: str

    @property
    def name(self) -> str:
        """The first cell, without its marks."""
        return _MARKS.sub(r"\1", next(iter(self.cells.values())))

    @property
    def examples(self) -> list["Example"]:
        place = _PLACE.search(self.marker)
        cell = self.cells.get("example", "")
        if place is None:
            return []
        path = tuple(int(x) if x.isdigit() else x for x in (place["path"] or "").split(".") if x)
        request, gives = (_literal(self.cells.get(key, "")) for key in ("request", "gives"))
        return [
            Example(
                self, match["text"].replace(r"\|", "|"), match["code"],
                place["flow"], path, place["how"], request, gives,
            )
            for match in _EXAMPLE.finditer(cell)
        ]  # fmt: skip

    @property
    def links(self) -> list[str]:
        """The sections of the page in which a flow shows what the row says."""
        return [match["anchor"] for match in _LINK.finditer(self.cells.get("example", ""))]

    @property
    def tests(self) -> list[tuple[str, str]]:
        """File and function of the tests of this row."""
        return [
            (match["file"], match["test"])
            for match in _TEST.finditer(self.marker)
            if match["row"] in ("*", self.name)
        ]


@dataclass(frozen=True)
class Example:
    """A fragment, its place in a flow of the page, and what comes of it.

    Attributes:
        code: the diagnostic that it gets; None where it is valid.
        flow: the name of the flow.
        how: ``in`` where it is keys of the mapping at the path, ``as`` where it is the value there, and
            ``text`` where that value is its text.
        request, gives: a request and its response, where the row has them, as YAML.
    """

    row: Row
    text: str
    code: str | None
    flow: str
    path: tuple[str | int, ...]
    how: str
    request: str | None
    gives: str | None


def _literal(cell: str) -> str | None:
    """What a cell holds in backticks; None where it is empty."""
    return cell.replace(r"\|", "|").strip("`") or None


def rows(page: Path) -> Iterator[Row]:
    """The rows of all tables of a page, in order."""
    section, marker, end = "", "", 0
    text = page.read_text(encoding="utf-8")
    for match in _LINES.finditer(text):
        if match["title"]:
            section = match["title"].lstrip("# ")
        elif match["marker"]:
            marker, end = match["marker"], match.end()
        elif match["table"]:
            head, _, *body = [_cells(line) for line in match["table"].splitlines()]
            for line in body:
                cells = dict(zip(head, line, strict=True))
                yield Row(section, cells, marker if end == match.start() else "")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL.split(line)[1:-1]]
