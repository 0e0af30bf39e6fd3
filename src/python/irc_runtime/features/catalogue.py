"""What a SQLite feature store holds: its tables, and the groups that they belong to.

Each group has a table of rows ``(key, event_time, record)``; the record is JSON. One table lists
the groups, so that names come from data and never become SQL.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irc_runtime.errors import FeatureStoreError
from irc_runtime.features import candidates, check_key, hint, title

#: Kept in the file's header (``PRAGMA application_id``): "irc1".
APPLICATION_ID = 0x69726331

GROUPS = """
CREATE TABLE IF NOT EXISTS feature_groups (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    key_columns TEXT NOT NULL,
    event_time_column TEXT NOT NULL,
    columns TEXT NOT NULL,
    UNIQUE (name, version)
)
"""

ROWS = """
CREATE TABLE {table} (
    key TEXT NOT NULL,
    event_time INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (key, event_time)
) WITHOUT ROWID
"""

SELECT_GROUPS = """
SELECT id, name, version, key_columns, event_time_column, columns
FROM feature_groups ORDER BY name, version
"""


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """A feature group: ``columns`` are all of a record's, with the key's and the event time's."""

    id: int
    name: str
    version: int
    key_columns: tuple[str, ...]
    event_time_column: str
    columns: tuple[str, ...]

    @property
    def table(self) -> str:
        """The table that holds the rows."""
        return f"rows_{self.id}"

    @property
    def title(self) -> str:
        """The group as messages call it."""
        return title(self.name, self.version)

    def key_text(self, key: Mapping[str, Any]) -> str:
        """The key of a row; ``1001`` and ``"1001"`` are the same key.

        Raises:
            FeatureStoreError: columns are missing or unknown, or a value is no text or number.
        """
        check_key(self.title, tuple(key), self.key_columns)
        parts = [_key_part(self, name, key[name]) for name in self.key_columns]
        return parts[0] if len(parts) == 1 else json.dumps(parts, ensure_ascii=False)


def read_groups(connection: sqlite3.Connection) -> dict[tuple[str, int], FeatureGroup]:
    """All groups of a store, by name and version."""
    groups = {}
    for row in connection.execute(SELECT_GROUPS):
        group_id, name, version, key_columns, event_time_column, columns = row
        groups[name, version] = FeatureGroup(
            group_id,
            name,
            version,
            tuple(json.loads(key_columns)),
            event_time_column,
            tuple(json.loads(columns)),
        )
    return groups


def add_group(
    connection: sqlite3.Connection,
    name: str,
    version: int,
    key_columns: tuple[str, ...],
    event_time_column: str,
    columns: tuple[str, ...],
) -> FeatureGroup:
    """Make a group with an empty table."""
    cursor = connection.execute(
        "INSERT INTO feature_groups (name, version, key_columns, event_time_column, columns) "
        "VALUES (?, ?, ?, ?, ?)",
        (name, version, json.dumps(key_columns), event_time_column, json.dumps(columns)),
    )
    assert cursor.lastrowid is not None
    group = FeatureGroup(cursor.lastrowid, name, version, key_columns, event_time_column, columns)
    connection.execute(ROWS.format(table=group.table))
    return group


def find_group(
    groups: Mapping[tuple[str, int], FeatureGroup], name: str, version: int | None
) -> FeatureGroup:
    """The group that a flow means.

    Raises:
        FeatureStoreError: there is none; the message says what there is.
    """
    for meant in candidates(name, version):
        group = groups.get(meant)
        if group is not None:
            return group
        versions = sorted(known for other, known in groups if other == meant[0])
        if versions:
            listed = ", ".join(map(str, versions))
            raise FeatureStoreError(
                f"the feature store has no {title(*meant)}; it has version {listed}"
            )
    names = tuple(dict.fromkeys(other for other, _ in groups))
    available = ", ".join(names) or "nothing"
    raise FeatureStoreError(
        f"the feature store has no {title(*meant)}{hint(meant[0], names)}; it has {available}"
    )


def _key_part(group: FeatureGroup, column: str, value: Any) -> str:
    if isinstance(value, str) and value:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise FeatureStoreError(
                f"key column '{column}' of {group.title} is not valid Unicode"
            ) from None
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    kind = "empty" if value is None or value == "" else f"a {type(value).__name__}"
    raise FeatureStoreError(f"key column '{column}' of {group.title} is {kind}")
