"""Writes to feature groups: rows go to the topic that feeds the group's stores.

The client writes them with these two libraries, which it imports only where they are there.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import confluent_kafka
import fastavro  # noqa: F401  # see above
import pandas  # type: ignore[import-untyped]  # it has no stubs

from irc_runtime.errors import FeatureStoreError, LoadError
from irc_runtime.features import check_features, title
from irc_runtime.features.instants import EPOCH, MICROSECOND, to_microseconds
from irc_runtime.hopsworks.failures import causes, failure, is_for_all
from irc_runtime.hopsworks.values import key_values

#: The producer's settings besides those of the project: milliseconds within which the topic has a
#: row or the write has failed, which are 5 minutes by default, and nothing on standard error.
PRODUCER = {"message.timeout.ms": 10_000, "log_level": 0}

#: What Kafka refuses of a row, or of the agent, each time.
REFUSED = frozenset(
    {
        confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE,
        confluent_kafka.KafkaError.RECORD_LIST_TOO_LARGE,
        confluent_kafka.KafkaError.INVALID_MSG,
        confluent_kafka.KafkaError.INVALID_RECORD,
        confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        confluent_kafka.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        confluent_kafka.KafkaError.SASL_AUTHENTICATION_FAILED,
        confluent_kafka.KafkaError._AUTHENTICATION,
    }
)

Row: TypeAlias = dict[str, Any]


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

    def rows(self, records: Iterable[Any], instant: int | None) -> list[Row]:
        """Records as the client takes them.

        Args:
            records: objects.
            instant: event time of those that do not hold one, in microseconds.
        Raises:
            FeatureStoreError: one does not fit the group.
        """
        return [self._row(record, instant) for record in records]

    def insert(self, writes: Sequence[list[Row]]) -> list[bool | Exception]:
        """Send the rows of several writes, and wait until the topic has them: True for each that is
        kept. On the session's worker thread.

        Rows of a write that fails may have been delivered; to write them once more does no harm, as
        a row replaces that of the same key.
        """
        try:
            self._send([row for rows in writes for row in rows])
        except Exception as error:  # noqa: BLE001  # the client raises a great many types
            if len(writes) == 1 or self._fails_all(error):
                return [self._failure(error) for _ in writes]
            return [answer for rows in writes for answer in self.insert([rows])]
        return [True] * len(writes)

    def _send(self, rows: list[Row]) -> None:
        frame = pandas.DataFrame(rows, columns=list(self._types), dtype=object)
        try:
            with self._group.multi_part_insert() as writer:
                writer.insert(
                    frame,
                    write_options={"kafka_producer_config": dict(PRODUCER)},
                    validation_options={"run_validation": False},
                )
        except BaseException:
            self._forget(len(rows))
            raise

    def _forget(self, count: int) -> None:
        """End a write that failed: each row that was not delivered is told by an exception."""
        for _ in range(count):
            with suppress(Exception):
                self._group.finalize_multi_part_insert()
                return

    def _fails_all(self, error: Exception) -> bool:
        code = _kafka_code(error)
        return is_for_all(error) if code is None else code not in REFUSED

    def _failure(self, error: Exception) -> FeatureStoreError:
        found = failure(f"the write to {self.title} failed", error)
        code = _kafka_code(error)
        if code is None:
            return found
        name = confluent_kafka.KafkaError(code).name()
        told = FeatureStoreError(
            f"the write to {self.title} failed: {name}", retryable=code not in REFUSED
        )
        told.__cause__ = error
        return told

    def _row(self, record: Any, instant: int | None) -> Row:
        if not isinstance(record, Mapping):
            raise FeatureStoreError(f"a record for {self.title} is a {type(record).__name__}")
        check_features(f"{self.title}", list(record), tuple(self._types))
        missing = [column for column in self._key_types if column not in record]
        if missing:
            raise FeatureStoreError(f"a record for {self.title} lacks the key '{missing[0]}'")
        keys = key_values(self.title, self._key_types, record)
        row = {**record, **dict(zip(self._key_types, keys, strict=True))}
        for name, type_ in self._types.items():
            if type_ in ("timestamp", "date"):
                row[name] = _moment(self.title, name, row.get(name))
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


def _kafka_code(error: Exception) -> int | None:
    """The code of Kafka's own error, where one led to this."""
    for cause in causes(error):
        if isinstance(cause, confluent_kafka.KafkaException) and cause.args:
            kafka_error = cause.args[0]
            if isinstance(kafka_error, confluent_kafka.KafkaError):
                return int(kafka_error.code())
    return None
