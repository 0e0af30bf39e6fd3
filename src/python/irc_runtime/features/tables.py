"""Reading tables from files: rows as JSON records, each with its place for error messages.

CSV has no types, so a column's type is what fits every cell that is not empty, the first of:
integer (no leading zeros), number, boolean (``true``, ``false`` in any case), JSON (arrays and
objects, such as embeddings), text. An empty cell is null. Columns of the key and of the event time
stay text. Parquet's types are taken as they are, times as RFC 3339 text in UTC.
"""

import csv
import json
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from irc_runtime.features.instants import to_microseconds, to_text

INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
BOOLEANS = {"true": True, "false": False}


class TableError(Exception):
    """A file that cannot be read as a table; ``problems`` has a line for each thing found."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Row:
    """A record, and where it stands, as ``customers.csv:17``."""

    place: str
    record: dict[str, Any]


class Table(Protocol):
    """A table in a file, whose rows can be read more than once."""

    columns: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """All rows in the file's order.

        Raises:
            TableError: a row is malformed.
        """


def open_table(path: Path, text_columns: Collection[str]) -> Table:
    """A table by its file's ending: .csv, .parquet or .pq.

    Args:
        path: of the file.
        text_columns: columns of a CSV file whose cells stay text.
    Raises:
        TableError: the ending is another, or the file cannot be read.
    """
    kind = path.suffix.lower()
    if not path.is_file():
        raise TableError(f"{path}: there is no such file")
    if kind == ".csv":
        return CsvTable(path, text_columns)
    if kind in (".parquet", ".pq"):
        return ParquetTable(path)
    raise TableError(f"{path}: expected a file that ends in .csv or .parquet")


class CsvTable:
    """A CSV file (RFC 4180, UTF-8) with a header."""

    def __init__(self, path: Path, text_columns: Collection[str]) -> None:
        self._path = path
        self.columns: tuple[str, ...] = ()
        self._readers: list[Callable[[str], Any]] = []
        candidates: list[list[Callable[[str], Any]]] = []
        for place, cells in self._lines():
            if not self.columns:
                self.columns = self._header(place, cells)
                candidates = [
                    [] if name in text_columns else list(CELL_TYPES) for name in self.columns
                ]
                continue
            for column, cell in enumerate(cells):
                fitting = candidates[column]
                while cell and fitting and not _fits(fitting[0], cell):
                    fitting.pop(0)
        if not self.columns:
            raise TableError(f"{path}: the file is empty; expected a line with the columns' names")
        self._readers = [fitting[0] if fitting else str for fitting in candidates]

    def rows(self) -> Iterator[Row]:
        """See ``Table``."""
        lines = self._lines()
        next(lines)
        for place, cells in lines:
            values = (
                reader(cell) if cell else None
                for reader, cell in zip(self._readers, cells, strict=True)
            )
            yield Row(place, dict(zip(self.columns, values, strict=True)))

    def _lines(self) -> Iterator[tuple[str, list[str]]]:
        """Place and cells of every line that is not blank."""
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                try:
                    for cells in reader:
                        place = f"{self._path}:{reader.line_num}"
                        if not cells:
                            continue
                        if self.columns and len(cells) != len(self.columns):
                            raise TableError(
                                f"{place}: {len(cells)} cells, but the header has "
                                f"{len(self.columns)} columns"
                            )
                        yield place, cells
                except csv.Error as error:
                    raise TableError(f"{self._path}:{reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise TableError(f"{self._path}: not UTF-8 ({error.reason})") from None
        except OSError as error:
            raise TableError(f"{self._path}: {error.strerror}") from None

    @staticmethod
    def _header(place: str, cells: list[str]) -> tuple[str, ...]:
        names = tuple(cell.strip() for cell in cells)
        twice = sorted({name for name in names if names.count(name) > 1})
        if "" in names:
            raise TableError(f"{place}: column {names.index('') + 1} has no name")
        if twice:
            raise TableError(f"{place}: several columns are called '{twice[0]}'")
        return names


class ParquetTable:
    """A Parquet file; needs pyarrow."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow  # type: ignore[import-untyped]  # it has no stubs
            import pyarrow.parquet  # type: ignore[import-untyped]  # as above
        except ImportError:
            raise TableError(f"{path}: reading Parquet needs the package pyarrow") from None
        self._path = path
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise TableError(f"{path}: not a Parquet file: {error}") from None
        self.columns = tuple(self._file.schema_arrow.names)

    def rows(self) -> Iterator[Row]:
        """See ``Table``."""
        number = 0
        for batch in self._file.iter_batches():
            for values in batch.to_pylist():
                number += 1
                place = f"{self._path}, row {number}"
                yield Row(place, {name: _json(place, name, values[name]) for name in self.columns})


def _integer(cell: str) -> int:
    if INTEGER.fullmatch(cell) is None:
        raise ValueError(cell)
    return int(cell)


def _number(cell: str) -> float:
    if NUMBER.fullmatch(cell) is None:
        raise ValueError(cell)
    return float(cell)


def _boolean(cell: str) -> bool:
    return BOOLEANS[cell.lower()]


def _structure(cell: str) -> Any:
    if cell[0] not in "[{":
        raise ValueError(cell)
    return json.loads(cell)


#: Types of CSV cells, the narrowest first; text fits all.
CELL_TYPES: tuple[Callable[[str], Any], ...] = (_integer, _number, _boolean, _structure)


def _fits(reader: Callable[[str], Any], cell: str) -> bool:
    with suppress(ValueError, KeyError, RecursionError):
        reader(cell)
        return True
    return False


def _json(place: str, column: str, value: Any) -> Any:
    """A Parquet value as JSON has it."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime | date):
        return to_text(to_microseconds(value))
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_json(place, column, item) for item in value]
    if isinstance(value, dict):
        return {str(name): _json(place, column, item) for name, item in value.items()}
    raise TableError(
        f"{place}: column '{column}' holds a {type(value).__name__}, which is not JSON"
    )
