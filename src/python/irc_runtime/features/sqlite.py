"""The embedded feature store: one SQLite file.

A point-in-time read is one step down the primary key ``(key, event_time)``: some microseconds, in a
million rows as in a thousand, so reads run on the event loop's own thread, those of one moment as
one query. Writes wait for the disk and run in a worker thread, those that come during one of them
together as the next: one transaction, one flush of the disk.
"""

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from irc_runtime.batching import Batcher
from irc_runtime.errors import FeatureStoreError, LoadError
from irc_runtime.features import (
    FeatureRead,
    FeatureStore,
    FeatureWrite,
    check_features,
    check_key,
)
from irc_runtime.features.catalogue import FeatureGroup, find_group, read_groups
from irc_runtime.features.instants import to_microseconds, to_text
from irc_runtime.store_spans import call_span, use_span

#: One query for many keys, each with an instant of its own.
AS_OF = """
WITH wanted (number, key, instant) AS (VALUES {values})
SELECT (
    SELECT record FROM {table}
    WHERE {table}.key = wanted.key AND event_time <= wanted.instant
    ORDER BY event_time DESC LIMIT 1
)
FROM wanted ORDER BY number
"""
UPSERT = "INSERT OR REPLACE INTO {table} (key, event_time, record) VALUES (?, ?, ?)"

#: The last instant that a row can have.
LATEST = 2**63 - 1

#: Seconds that a writer waits for another one.
BUSY_S = 5.0

#: What may be over in a moment: another writer, a full disk, a disk that fails.
PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)

#: Key, event time in microseconds, and the record as JSON.
Row: TypeAlias = tuple[str, int, str]


class SqliteFeatures(FeatureStore):
    """A feature store in a SQLite file, as ``irc features load`` makes it.

    Where the file's folder cannot be written, as in a read-only container, the file is taken as one
    that never changes: to bring in new data, replace the file and restart.

    Args:
        path: of the file, which exists.
        uses: what the flow reads and writes. Views and groups are alike here.
    Raises:
        LoadError: there is no such file, it is not a feature store, or it lacks something.
    """

    def __init__(self, path: str, uses: Sequence[FeatureRead | FeatureWrite] = ()) -> None:
        if not Path(path).is_file():
            raise LoadError(f"there is no feature store at {path}: 'irc features load' makes one")
        self._path = path
        self._connection, self._groups = _open(path)
        self._reading: Batcher[tuple[str, int], tuple[str, int], Any] = Batcher(
            self._ask, span=lambda place, users: call_span("sqlite", "SELECT", place[0], users)
        )
        self._writing: Batcher[tuple[str, int], list[Row], bool] = Batcher(
            self._insert,
            window_s=None,
            finish=True,
            span=lambda place, users: call_span("sqlite", "INSERT", place[0], users),
        )
        try:
            for use in uses:
                self._check(use)
        except FeatureStoreError as error:
            self._connection.close()
            raise LoadError(f"{path}: {error.reason}") from None

    async def find(
        self, read: FeatureRead, key: Mapping[str, Any], *, as_of: str | None = None
    ) -> dict[str, Any] | None:
        """The record of a key; see ``FeatureStore.find``."""
        instant = LATEST if as_of is None else _instant(as_of)
        group = self._group(read)
        place = (group.name, group.version)
        question = (group.key_text(key), instant)
        with use_span("read", group.name):
            text = await self._reading(place, question)
        if text is None:
            return None
        record: dict[str, Any] = json.loads(text)
        if read.features is None:
            return record
        if not record.keys() >= set(read.features):
            self._groups = read_groups(self._connection)  # it may have been loaded anew
            check_features(group.title, read.features, self._group(read).columns)
        return {feature: record.get(feature) for feature in read.features}

    def resolved(self, use: FeatureRead | FeatureWrite) -> tuple[str, int]:
        """Name and version of what a read or write means."""
        group = self._group(use)
        return group.name, group.version

    async def write(self, write: FeatureWrite, data: Any, *, event_time: str | None = None) -> bool:
        """Add records to a feature group; see ``FeatureStore.write``."""
        group = self._group(write)
        records = data if isinstance(data, list | tuple) else [data]
        instant = None if event_time is None else _instant(event_time)
        rows = [_row_of(group, record, instant) for record in records]
        with use_span("write", group.name):
            return await self._writing((group.name, group.version), rows)

    async def close(self) -> None:
        """Close the file, when what is being written is."""
        await self._writing.close()
        await self._reading.close()
        self._connection.close()

    def _check(self, use: FeatureRead | FeatureWrite) -> None:
        group = self._group(use)
        if isinstance(use, FeatureRead):
            check_key(group.title, use.key, group.key_columns)
            check_features(group.title, use.features or (), group.columns)

    async def _ask(self, place: tuple[str, int], rows: Sequence[tuple[str, int]]) -> list[Any]:
        """The JSON of the record of each key at its instant, or None; of one group."""
        values = ", ".join(["(?, ?, ?)"] * len(rows))
        parameters = [part for number, row in enumerate(rows) for part in (number, *row)]
        for last in (False, True):
            table = find_group(self._groups, *place).table
            try:
                sql = AS_OF.format(table=table, values=values)
                return [text for (text,) in self._connection.execute(sql, parameters)]
            except sqlite3.Error as error:
                if last or "no such table" not in str(error):
                    raise _failure(error) from error
                self._groups = read_groups(self._connection)  # the group was loaded anew
        raise AssertionError("the loop returns or raises")

    def _group(self, use: FeatureRead | FeatureWrite) -> FeatureGroup:
        return find_group(self._groups, use.name, use.version)

    async def _insert(self, place: tuple[str, int], writes: Sequence[list[Row]]) -> list[bool]:
        rows = [row for written in writes for row in written]
        await asyncio.to_thread(_write, self._path, place, rows)
        return [True] * len(writes)


def _open(path: str) -> tuple[sqlite3.Connection, dict[tuple[str, int], FeatureGroup]]:
    """A connection that has been seen to work, and the groups.

    A file in WAL mode cannot be read where its folder cannot be written, unless SQLite is told that
    the file does not change.
    """
    address = Path(path).absolute().as_uri()
    problem: Exception | None = None
    for mode in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"{address}?{mode}", uri=True, check_same_thread=False)
        try:
            return connection, read_groups(connection)
        except sqlite3.Error as error:
            connection.close()
            problem = problem or error
            if not isinstance(error, sqlite3.OperationalError) or "no such table" in str(error):
                break
    raise LoadError(f"{path} is not a feature store: {problem}") from problem


def _instant(text: str) -> int:
    try:
        instant = to_microseconds(text)
    except (ValueError, OverflowError):
        instant = LATEST + 1
    if abs(instant) > LATEST:
        raise FeatureStoreError("the time asked for is not an RFC 3339 date and time")
    return instant


def _row_of(group: FeatureGroup, record: Any, instant: int | None) -> tuple[str, int, str]:
    """Key, event time and JSON of a record to be written."""
    if not isinstance(record, Mapping):
        raise FeatureStoreError(f"a record for {group.title} is a {type(record).__name__}")
    unknown = [name for name in record if name not in group.columns]
    if unknown:
        check_features(group.title, unknown, group.columns)
    key = {name: record[name] for name in group.key_columns if name in record}
    own = record.get(group.event_time_column)
    try:
        moment = instant if own is None else to_microseconds(own)
    except (ValueError, OverflowError):
        raise FeatureStoreError(
            f"'{group.event_time_column}' of a record for {group.title} is not a time"
        ) from None
    if moment is None:
        raise FeatureStoreError(f"a record for {group.title} has no event time")
    values = {**record, group.event_time_column: to_text(moment)}
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        raise FeatureStoreError(f"a record for {group.title} holds what is not JSON") from None
    return group.key_text(key), moment, text


def _write(path: str, place: tuple[str, int], rows: Sequence[Row]) -> None:
    """Add rows to a group: all, or none. The group may have been loaded anew, to another table."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            table = find_group(read_groups(connection), *place).table
            connection.executemany(UPSERT.format(table=table), rows)
    except sqlite3.Error as error:
        raise _failure(error) from error


def _failure(error: sqlite3.Error) -> FeatureStoreError:
    retryable = getattr(error, "sqlite_errorcode", 0) & 0xFF in PASSING  # the rest says which kind
    return FeatureStoreError(f"the feature store failed: {error}", retryable=retryable)
