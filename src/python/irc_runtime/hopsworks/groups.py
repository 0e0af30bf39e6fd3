"""Reads of the rows of feature groups: as they were at an instant, or the latest.

A point-in-time read asks Hopsworks' query service for the rows of the keys up to the latest of the
instants, as Arrow batches, and takes from them the latest row of each key at its own instant. The
latest row of a group that is kept online comes from the online store, by SQL.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow  # type: ignore[import-untyped]  # noqa: F401  # the client reads batches with it

from irc_runtime.errors import LoadError
from irc_runtime.features import title
from irc_runtime.features.instants import EPOCH, MICROSECOND, to_microseconds
from irc_runtime.hopsworks.failures import failure
from irc_runtime.hopsworks.values import INTEGERS, key_values, plain
from irc_runtime.hopsworks.views import Answer, Question

#: Seconds for one call of the query service.
QUERY_TIMEOUT_S = 30.0

#: Greater than any instant.
LATEST = 2**63

SECOND = 1_000_000


class GroupRows:
    """The rows of one feature group.

    Args:
        group: the client's feature group.
        features: the columns that are read; None for all.
        as_of: whether reads ask for an instant.
        name, version: of the feature view that stands for the group, where one does.
    Raises:
        LoadError: reads ask for an instant, and the group has no event time.
    """

    def __init__(
        self,
        group: Any,
        features: Sequence[str] | None,
        as_of: bool,
        name: str | None = None,
        version: int | None = None,
    ) -> None:
        self.name: str = name or group.name
        self.version: int = version or group.version
        self.title = title(self.name, self.version)
        types = {column.name: column.type for column in group.columns}
        self.key_types = {column: types[column] for column in group.primary_key}
        self.columns = tuple(types)
        self._group = group
        self._event_time: str | None = group.event_time
        if as_of and self._event_time is None:
            raise LoadError(f"{self.title} has no event time, so 'as_of' cannot be read")
        self._online = not as_of and bool(group.online_enabled)
        wanted = dict.fromkeys([*self.key_types, *(features or types)])
        if self._event_time is not None:
            wanted[self._event_time] = None
        self._wanted = [column for column in wanted if column in types]

    def probe(self) -> None:
        """Read what is not there, so that the first request finds everything connected."""
        key = tuple(0 if type_ in INTEGERS else "" for type_ in self.key_types.values())
        list(self._rows([(key, 0)]))

    def question(self, key: Mapping[str, Any], instant: int | None) -> Question:
        """A read, checked; see ``FeatureStore.find``."""
        return key_values(self.title, self.key_types, key), instant

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """The records of many keys, in one call."""
        try:
            rows = list(self._rows(questions))
        except Exception as error:  # the client raises a great many types
            raise failure("the feature store failed", error) from error
        history: dict[tuple[Any, ...], list[tuple[int, dict[str, Any]]]] = {}
        for row in rows:
            key = tuple(row[column] for column in self.key_types)
            history.setdefault(key, []).append((self._moment(row), row))
        return [self._latest(history.get(key, []), instant) for key, instant in questions]

    def _rows(self, questions: Sequence[Question]) -> Iterator[dict[str, Any]]:
        """Rows that may answer the questions; which do is decided by whoever asked."""
        group = self._group
        condition: Any = None
        for number, column in enumerate(self.key_types):
            values = list(dict.fromkeys(key[number] for key, _ in questions))
            part = group[column].isin(values)
            condition = part if condition is None else condition & part
        instants = [instant for _, instant in questions if instant is not None]
        if self._event_time is not None and len(instants) == len(questions):
            column = group[self._event_time]
            condition = condition & (column <= _bound(column.type, max(instants)))
        query = group.select(self._wanted).filter(condition)
        options = {"arrow_flight_config": {"timeout": QUERY_TIMEOUT_S}}
        with query.read_batches(online=self._online, read_options=options) as batches:
            for batch in batches:
                yield from batch.to_pylist()

    def _moment(self, row: Mapping[str, Any]) -> int:
        """When a row became true; a row that does not say so comes before all that do."""
        value = None if self._event_time is None else row[self._event_time]
        return -LATEST if value is None else to_microseconds(value)

    def _latest(self, rows: list[tuple[int, dict[str, Any]]], instant: int | None) -> Answer:
        until = LATEST if instant is None else instant
        fitting = [(moment, row) for moment, row in rows if moment <= until]
        if not fitting:
            return None
        _, row = max(fitting, key=lambda item: item[0])
        return {name: plain(value) for name, value in row.items()}


def _bound(type_: str, instant: int) -> Any:
    """A value of a column's type at or after an instant: the client's filters know whole seconds
    alone, and whole numbers may be seconds or milliseconds."""
    moment = EPOCH + (instant - instant % SECOND + SECOND) * MICROSECOND
    if type_ == "date":
        return date(moment.year, moment.month, moment.day).isoformat()
    if type_ == "timestamp":
        return moment
    return instant // 1000 + 1
