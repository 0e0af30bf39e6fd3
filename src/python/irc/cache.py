"""Results of compiling nodes, kept between calls in one SQLite file of a cache folder.

The file may be used by several processes at once. It is only ever a copy of what can be computed
again: whatever is wrong with it, it is set aside and the nodes are compiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 256 * 2**20
"""The size from which on the results unused for longest are dropped."""

_LAYOUT = 1
"""The layout of the file; another one is another file."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
  key BLOB PRIMARY KEY, flow TEXT NOT NULL, node TEXT NOT NULL, parts TEXT NOT NULL,
  checksum BLOB NOT NULL, value TEXT NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_node ON results (flow, node, used);
"""

_DAY_NS = 86_400 * 10**9
_BUSY_S = 5.0

_OF_THE_MACHINE = frozenset(
    [
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
    ]
)  # fmt: skip
"""SQLite's primary result codes that say nothing against the file itself (sqlite.org/rescode.html)."""


@dataclass(frozen=True)
class Result:
    """What became of one node.

    Attributes:
        key: the digest of all that the result depends on, but for files.
        parts: digests of what the key is made of, by words for it.
        value: the result as a JSON text.
    """

    key: bytes
    flow: str
    node: str
    parts: dict[str, str]
    value: str


class Cache:
    """The cache in a folder.

    Args:
        folder: made where it is missing.
        max_bytes: the size of the file from which on old results are dropped.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = folder / f"nodes-{_LAYOUT}.sqlite3"
        self.max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._connect()

    def _connect(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Losing what was written last, when the machine stops, is no loss.
            connection = sqlite3.connect(self.path, timeout=_BUSY_S)
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(_SCHEMA)
            self._connection = connection
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Do without; a file that is broken is set aside, so that the next call starts anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if isinstance(error, OSError):
            return
        if getattr(error, "sqlite_errorcode", -1) & 0xFF not in _OF_THE_MACHINE:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def load(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The results of some keys, as far as there are any."""
        found: dict[bytes, str] = {}
        if self._connection is None:
            return found
        now = time.time_ns()
        stale: list[bytes] = []
        try:
            for first in range(0, len(keys), 500):
                some = keys[first : first + 500]
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(
                    f"SELECT key, checksum, value, used FROM results WHERE key IN ({marks})", some
                )
                for key, checksum, value, used in rows:
                    if isinstance(value, str) and checksum == _checksum(value):
                        found[key] = value
                        if used < now - _DAY_NS:
                            stale.append(key)
            if stale:
                with self._connection:
                    self._connection.executemany(
                        "UPDATE results SET used = ? WHERE key = ?", [(now, key) for key in stale]
                    )
        except (sqlite3.Error, TypeError) as error:
            self._fail(error)
        return found

    def previous(self, flow: str, node: str) -> dict[str, str] | None:
        """The parts of the last result that was stored for a node; None where there is none."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute(
                "SELECT parts FROM results WHERE flow = ? AND node = ? ORDER BY used DESC LIMIT 1",
                (flow, node),
            ).fetchone()
            return None if row is None else dict(json.loads(row[0]))
        except (sqlite3.Error, TypeError, ValueError) as error:
            self._fail(error)
            return None

    def store(self, results: Iterable[Result]) -> None:
        """Keep results, and drop those unused for longest when there are too many."""
        if self._connection is None:
            return
        now = time.time_ns()
        rows = [
            (
                item.key, item.flow, item.node, json.dumps(item.parts, separators=(",", ":")),
                _checksum(item.value), item.value, now,
            )
            for item in results
        ]  # fmt: skip
        if not rows:
            return
        try:
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                )
            self._drop_old()
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    def _drop_old(self) -> None:
        assert self._connection is not None
        if os.path.getsize(self.path) <= self.max_bytes:
            return
        with self._connection:
            self._connection.execute(
                "DELETE FROM results WHERE key IN"
                " (SELECT key FROM results ORDER BY used LIMIT (SELECT count(*) / 2 FROM results))"
            )
        self._connection.execute("PRAGMA incremental_vacuum").fetchall()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def default_folder() -> Path | None:
    """Where results are kept unless said otherwise: below the user's cache folder, if there is one."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "irc" / "compiler"
    except RuntimeError:  # a user without a home, as some containers have
        return None


def digest(value: Any) -> str:
    """The digest of a JSON value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _checksum(value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
