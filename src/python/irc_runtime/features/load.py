"""Loading a table into a SQLite feature store, all of it or nothing."""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc_runtime.errors import FeatureStoreError
from irc_runtime.features.catalogue import (
    APPLICATION_ID,
    GROUPS,
    FeatureGroup,
    add_group,
    read_groups,
)
from irc_runtime.features.instants import to_microseconds, to_text
from irc_runtime.features.sqlite import UPSERT
from irc_runtime.features.tables import Row, Table, TableError, open_table

#: Problems that are reported at most.
MAX_PROBLEMS = 20

#: Rows that are handed to SQLite at a time.
BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded: rows of the file, and rows that the group holds now."""

    rows: int
    total: int
    columns: tuple[str, ...]


def load_features(
    source: Path,
    store: Path,
    *,
    name: str,
    version: int,
    key: Sequence[str],
    event_time: str,
    replace: bool = False,
) -> Loaded:
    """Put a file's rows into a feature group; the store and the group are made where needed.

    A row of the same key and event time as one that is there takes its place. Agents that read the
    store meanwhile see the group as it was, and then as it is.

    Args:
        source: a .csv or .parquet file.
        store: the SQLite file.
        name: of the feature group.
        version: of the feature group, at least 1.
        key: the columns of the key, in order.
        event_time: the column that says when a row became true.
        replace: whether the group's former rows and columns go.
    Raises:
        TableError: the file cannot be read, or rows lack a key or a time; each with its place.
        FeatureStoreError: the file and the group do not go together, or the store fails.
    """
    table = open_table(source, (*key, event_time))
    lacking = [column for column in (*key, event_time) if column not in table.columns]
    if lacking:
        available = ", ".join(table.columns)
        raise TableError(f"{source}: no column '{lacking[0]}'; there is {available}")
    exists = store.exists()
    target = store if exists else store.with_name(f".{store.name}.{os.getpid()}.new")
    try:
        loaded = _load(table, target, (name, version), tuple(key), event_time, replace)
        if not exists:
            target.replace(store)
        return loaded
    except sqlite3.Error as error:
        raise FeatureStoreError(f"{store}: {error}") from error
    except OSError as error:
        raise FeatureStoreError(f"{store}: {error.strerror}") from error
    finally:
        if not exists:
            target.unlink(missing_ok=True)


def _load(
    table: Table,
    target: Path,
    name_version: tuple[str, int],
    key: tuple[str, ...],
    event_time: str,
    replace: bool,
) -> Loaded:
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise FeatureStoreError(f"{target}: the file system does not allow concurrent readers")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(GROUPS)
            group = _group(connection, table, name_version, key, event_time, replace)
            rows = _insert(connection, group, table)
            total = connection.execute(f"SELECT count(*) FROM {group.table}").fetchone()[0]
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Loaded(rows, total, group.columns)


def _group(
    connection: sqlite3.Connection,
    table: Table,
    name_version: tuple[str, int],
    key: tuple[str, ...],
    event_time: str,
    replace: bool,
) -> FeatureGroup:
    """The group to fill: the one that is there where it fits, or a new one."""
    group = read_groups(connection).get(name_version)
    if group is not None and replace:
        connection.execute(f"DROP TABLE {group.table}")
        connection.execute("DELETE FROM feature_groups WHERE id = ?", (group.id,))
        group = None
    if group is None:
        return add_group(connection, *name_version, key, event_time, table.columns)
    for what, old, new in (
        ("key columns", group.key_columns, key),
        ("event time column", (group.event_time_column,), (event_time,)),
        ("columns", tuple(sorted(group.columns)), tuple(sorted(table.columns))),
    ):
        if old != new:
            raise FeatureStoreError(
                f"{group.title} has the {what} {', '.join(old)}; the file has {', '.join(new)} "
                "(replace the group to change that)"
            )
    return group


def _insert(connection: sqlite3.Connection, group: FeatureGroup, table: Table) -> int:
    problems: list[str] = []
    count = 0
    batch: list[tuple[str, int, str]] = []
    for row in _checked(group, table, problems):
        batch.append(row)
        count += 1
        if len(batch) == BATCH_ROWS:
            connection.executemany(UPSERT.format(table=group.table), batch)
            batch.clear()
    if problems:
        raise TableError(*problems)
    connection.executemany(UPSERT.format(table=group.table), batch)
    return count


def _checked(
    group: FeatureGroup, table: Table, problems: list[str]
) -> Iterator[tuple[str, int, str]]:
    """Key, event time and JSON of each good row; what is wrong with the others."""
    for row in table.rows():
        try:
            instant = _instant(row, group.event_time_column)
            record = {**row.record, group.event_time_column: to_text(instant)}
            key = group.key_text({name: row.record[name] for name in group.key_columns})
            text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        except (FeatureStoreError, ValueError) as error:
            problems.append(f"{row.place}: {error}")
            if len(problems) == MAX_PROBLEMS:
                raise TableError(*problems, "… and perhaps more") from None
            continue
        yield key, instant, text


def _instant(row: Row, column: str) -> int:
    value: Any = row.record[column]
    if value is None:
        raise ValueError(f"column '{column}' is empty: a row needs its event time")
    try:
        return to_microseconds(value)
    except (ValueError, OverflowError):
        raise ValueError(f"column '{column}': {value!r} is not an RFC 3339 time") from None
