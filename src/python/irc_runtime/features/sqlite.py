"""The embedded feature store: one SQLite file.

A point-in-time read is one step down the primary key ``(key, event_time)``: some microseconds, in a
million rows as in a thousand, so reads run on the event loop's own thread. Writes wait for the disk
and run in a worker thread.
"""

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import Any

from irc_runtime.errors import FeatureStoreError, LoadError, RowNotFoundError
from irc_runtime.features import FeatureStore, Kind
from irc_runtime.features.catalogue import FeatureGroup, find_group, read_groups
from irc_runtime.features.instants import to_microseconds, to_text

LATEST = "SELECT record FROM {table} WHERE key = ? ORDER BY event_time DESC LIMIT 1"
AS_OF = (
    "SELECT record FROM {table} WHERE key = ? AND event_time <= ? ORDER BY event_time DESC LIMIT 1"
)
UPSERT = "INSERT OR REPLACE INTO {table} (key, event_time, record) VALUES (?, ?, ?)"

#: Seconds that a writer waits for another one.
BUSY_S = 5.0


class SqliteFeatures(FeatureStore):
    """A feature store in a SQLite file, as ``irc features load`` makes it.

    Where the file's folder cannot be written, as in a read-only container, the file is taken as one
    that never changes: to bring in new data, replace the file and restart.

    Args:
        path: of the file, which exists.
    Raises:
        LoadError: there is no such file, or it is not a feature store.
    """

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise LoadError(f"there is no feature store at {path}: 'irc features load' makes one")
        self._path = path
        self._writing = Lock()
        self._connection, self._groups = _open(path)

    async def read(  # type: ignore[override]  # the protocol's overloads say what `optional` means
        self,
        name: str,
        *,
        kind: Kind = "feature_group",
        version: int | None = None,
        key: Mapping[str, Any],
        as_of: str | None = None,
        features: Sequence[str] | None = None,
        optional: bool = False,
    ) -> dict[str, Any] | None:
        """The record of a key; see ``FeatureStore.read``. Views and groups are alike here."""
        instant = None if as_of is None else _instant(as_of)
        group, row = self._row(name, version, key, instant)
        if features is not None:
            group.check_features(tuple(features))
        if row is None:
            if optional:
                return None
            since = "" if as_of is None else " at or before that time"
            raise RowNotFoundError(f"{group.title} has no row for that key{since}")
        record: dict[str, Any] = json.loads(row[0])
        if features is None:
            return record
        return {feature: record.get(feature) for feature in features}

    async def write(
        self, name: str, *, version: int | None = None, data: Any, event_time: str | None = None
    ) -> bool:
        """Add records to a feature group; see ``FeatureStore.write``."""
        group = self._group(name, version)
        records = data if isinstance(data, list | tuple) else [data]
        instant = None if event_time is None else _instant(event_time)
        rows = [_row_of(group, record, instant) for record in records]
        await asyncio.to_thread(self._insert, group, rows)
        return True

    async def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _row(
        self, name: str, version: int | None, key: Mapping[str, Any], instant: int | None
    ) -> tuple[FeatureGroup, Any]:
        for last in (False, True):
            group = self._group(name, version)
            text = group.key_text(key)
            try:
                if instant is None:
                    cursor = self._connection.execute(LATEST.format(table=group.table), (text,))
                else:
                    sql = AS_OF.format(table=group.table)
                    cursor = self._connection.execute(sql, (text, instant))
                return group, cursor.fetchone()
            except sqlite3.OperationalError as error:
                if last or "no such table" not in str(error):
                    raise _failure(error) from error
                self._groups = read_groups(self._connection)  # the group was loaded anew
        raise AssertionError("the loop returns or raises")

    def _group(self, name: str, version: int | None) -> FeatureGroup:
        try:
            return find_group(self._groups, name, version)
        except FeatureStoreError:
            try:
                self._groups = read_groups(self._connection)  # it may have been loaded since
            except sqlite3.Error as error:
                raise _failure(error) from error
            return find_group(self._groups, name, version)

    def _insert(self, group: FeatureGroup, rows: Sequence[tuple[str, int, str]]) -> None:
        try:
            with (
                self._writing,
                closing(sqlite3.connect(self._path, timeout=BUSY_S)) as connection,
                connection,
            ):
                connection.executemany(UPSERT.format(table=group.table), rows)
        except sqlite3.Error as error:
            raise _failure(error) from error


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
        return to_microseconds(text)
    except (ValueError, OverflowError):
        raise FeatureStoreError("the time asked for is not an RFC 3339 date and time") from None


def _row_of(group: FeatureGroup, record: Any, instant: int | None) -> tuple[str, int, str]:
    """Key, event time and JSON of a record to be written."""
    if not isinstance(record, Mapping):
        raise FeatureStoreError(f"a record for {group.title} is a {type(record).__name__}")
    unknown = [name for name in record if name not in group.columns]
    if unknown:
        group.check_features(tuple(unknown))
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


def _failure(error: sqlite3.Error) -> FeatureStoreError:
    retryable = isinstance(error, sqlite3.OperationalError)
    return FeatureStoreError(f"the feature store failed: {error}", retryable=retryable)
