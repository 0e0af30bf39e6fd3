"""Writes to feature groups: rows go to the topic that feeds the group's stores.

The client writes them with these two libraries, which it imports only where they are there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import confluent_kafka  # noqa: F401  # see above
import fastavro  # noqa: F401  # see above
import pandas  # type: ignore[import-untyped]  # it has no stubs

from irc_runtime.errors import FeatureStoreError, LoadError
from irc_runtime.features import check_features, title
from irc_runtime.features.instants import EPOCH, MICROSECOND, to_microseconds
from irc_runtime.hopsworks.failures import is_passing, kind
from irc_runtime.hopsworks.values import key_values


class GroupWriter:
    """Writes to one feature group.

    Args:
        group: the client's feature group.
    Raises:
        LoadError: it is not kept online.
    """

    def __init__(self, group: Any) -> None:
        self.name: str = group.name
        self.version: int = group.version
        self.title = title(self.name, self.version)
        if not group.online_enabled:
            raise LoadError(f"{self.title} is not kept online, so an agent cannot write to it")
        self._group = group
        self._types = {column.name: column.type for column in group.columns}
        self._key_types = {column: self._types[column] for column in group.primary_key}
        self._event_time: str | None = group.event_time

    def frame(self, records: Sequence[Any], instant: int | None) -> pandas.DataFrame:
        """Records as the client takes them.

        Args:
            records: objects.
            instant: event time of those that do not hold one, in microseconds.
        Raises:
            FeatureStoreError: one does not fit the group.
        """
        rows = [self._row(record, instant) for record in records]
        frame = pandas.DataFrame(rows, columns=list(self._types), dtype=object)
        for name, type_ in self._types.items():
            if type_ in ("timestamp", "date"):
                frame[name] = [_moment(self.title, name, value) for value in frame[name]]
        return frame

    def insert(self, frame: pandas.DataFrame) -> None:
        """Send rows, and wait until the topic has them. On the session's worker thread.

        Raises:
            FeatureStoreError: they cannot be delivered.
        """
        try:
            with self._group.multi_part_insert() as writer:
                writer.insert(frame, validation_options={"run_validation": False})
        except Exception as error:  # the client raises a great many types
            raise FeatureStoreError(
                f"the write to {self.title} failed: {kind(error)}", retryable=is_passing(error)
            ) from error

    def _row(self, record: Any, instant: int | None) -> dict[str, Any]:
        if not isinstance(record, Mapping):
            raise FeatureStoreError(f"a record for {self.title} is a {type(record).__name__}")
        check_features(f"{self.title}", list(record), tuple(self._types))
        missing = [column for column in self._key_types if column not in record]
        if missing:
            raise FeatureStoreError(f"a record for {self.title} lacks the key '{missing[0]}'")
        keys = key_values(self.title, self._key_types, record)
        row = {**record, **dict(zip(self._key_types, keys, strict=True))}
        if self._event_time is not None and row.get(self._event_time) is None:
            if instant is None:
                raise FeatureStoreError(f"a record for {self.title} has no event time")
            whole = self._types[self._event_time] not in ("timestamp", "date")
            row[self._event_time] = instant // 1000 if whole else EPOCH + instant * MICROSECOND
        return row


def _moment(title_: str, column: str, value: Any) -> Any:
    if value is None:
        return None
    try:
        return EPOCH + to_microseconds(value) * MICROSECOND
    except (ValueError, OverflowError):
        raise FeatureStoreError(f"'{column}' of a record for {title_} is not a time") from None
