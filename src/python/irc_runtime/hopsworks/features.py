"""The feature store of a Hopsworks project."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from irc_runtime.batching import Batcher
from irc_runtime.errors import FeatureStoreError
from irc_runtime.features import FeatureRead, FeatureStore, FeatureWrite
from irc_runtime.features.instants import to_microseconds
from irc_runtime.hopsworks.session import close_session, open_session
from irc_runtime.hopsworks.sources import Source, Sources
from irc_runtime.hopsworks.views import Answer, Question
from irc_runtime.hopsworks.writes import GroupWriter, Row
from irc_runtime.store_spans import call_span, use_span


class HopsworksFeatures(FeatureStore):
    """Features of the project that ``HOPSWORKS_PROJECT`` names.

    Args:
        uses: what the flow reads and writes; all of it is looked up now.
    Raises:
        LoadError: the login fails, or the project lacks something.
    """

    def __init__(self, uses: Sequence[FeatureRead | FeatureWrite]) -> None:
        self._session = open_session()
        try:
            found = self._session.load(lambda: Sources(self._session.project, uses))
        except BaseException:
            close_session(self._session)
            raise
        self._sources, self._writers = found.by_read, found.by_write
        self._reading: Batcher[Source, Question, dict[str, Any] | None] = Batcher(
            self._ask,
            span=lambda source, users: call_span("hopsworks", "read_vectors", source.name, users),
        )
        self._writing: Batcher[GroupWriter, list[Row], bool] = Batcher(
            self._send,
            window_s=None,
            finish=True,
            span=lambda writer, users: call_span("hopsworks", "insert", writer.name, users),
        )

    async def find(
        self, read: FeatureRead, key: Mapping[str, Any], *, as_of: str | None = None
    ) -> dict[str, Any] | None:
        """The record of a key; see ``FeatureStore.find``."""
        source = self._sources[read]
        question = source.question(key, None if as_of is None else _instant(as_of))
        with use_span("read", source.name):
            record = await self._reading(source, question)
        if record is None or read.features is None:
            return record
        return {feature: record.get(feature) for feature in read.features}

    def resolved(self, use: FeatureRead | FeatureWrite) -> tuple[str, int]:
        """Name and version of what a read or write means."""
        found = self._sources[use] if isinstance(use, FeatureRead) else self._writers[use]
        return found.name, found.version

    async def write(self, write: FeatureWrite, data: Any, *, event_time: str | None = None) -> bool:
        """Add records to a feature group; see ``FeatureStore.write``.

        They are in the online store soon after, and in the history of a group that is fed by a
        stream when its materialization runs next. What comes while a write to the group is under
        way is written together after it.
        """
        writer = self._writers[write]
        records = data if isinstance(data, list | tuple) else [data]
        instant = None if event_time is None else _instant(event_time)
        rows = writer.rows(records, instant)
        with use_span("write", writer.name):
            return await self._writing(writer, rows)

    async def close(self) -> None:
        """Log out, unless something else of this process uses the session."""
        await self._writing.close()
        await self._reading.close()
        await asyncio.to_thread(close_session, self._session)

    async def _ask(self, source: Source, questions: Sequence[Question]) -> list[Answer]:
        return await self._session.reads.run(lambda: source.ask(questions))

    async def _send(
        self, writer: GroupWriter, writes: Sequence[list[Row]]
    ) -> list[bool | Exception]:
        return await self._session.worker.run(lambda: writer.insert(writes))


def _instant(text: str) -> int:
    try:
        return to_microseconds(text)
    except (ValueError, OverflowError):
        raise FeatureStoreError("the time asked for is not an RFC 3339 date and time") from None
