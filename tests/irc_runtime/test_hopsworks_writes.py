"""Writes to feature groups of a Hopsworks project, by its real client."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from irc_runtime.errors import FeatureStoreError, LoadError
from irc_runtime.features import FeatureWrite, connect_features
from irc_runtime.hopsworks import writes
from irc_runtime.hopsworks.features import HopsworksFeatures
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.irc_runtime.kafka_topic import kafka_broker, records
from tests.standins.hopsworks_api import Hopsworks

SCORES = FeatureWrite("scores")
NOTES = FeatureWrite("notes")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopsworks]:
    with (
        hopsworks_project(tmp_path_factory.mktemp("authority")) as server,
        kafka_broker(server),
    ):
        yield server


def write(data: Any, event_time: str | None = None, group: FeatureWrite = SCORES) -> bool:
    async def main() -> bool:
        features = connect_features(group)
        try:
            return await features.write(group, data, event_time=event_time)
        finally:
            await features.close()

    return asyncio.run(main())


def test_records_are_on_the_groups_topic_when_a_write_is_done(project: Hopsworks) -> None:
    rows = [
        {"customer_no": "7", "score": 0.5},
        {"customer_no": 8, "event_time": "2024-05-01T10:00:00+02:00", "score": None},
    ]
    assert write(rows, "2024-06-01T00:00:00.25Z") is True
    found = records(project, 2)
    values = sorted((record for record, _ in found), key=lambda record: record["customer_no"])
    assert [{**record, "event_time": record["event_time"].isoformat()} for record in values] == [
        {"customer_no": 7, "event_time": "2024-06-01T00:00:00.250000+00:00", "score": 0.5},
        {"customer_no": 8, "event_time": "2024-05-01T08:00:00+00:00", "score": None},
    ]
    headers = found[0][1]
    assert headers["featureGroupId"] == b"12"
    assert "storage" not in headers  # both the online store and the history take it


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"score": 1.0}, "lacks the key 'customer_no'"),
        ({"customer_no": "seven"}, "key column 'customer_no' of 'scores' version 1 is no integer"),
        ({"customer_no": 7}, "has no event time"),
        ({"customer_no": 7, "event_time": "soon"}, "'event_time' of a record .* is not a time"),
        ({"customer_no": 7, "scor": 1}, "did you mean 'score'"),
        ([7], "a record for 'scores' version 1 is a int"),
    ],
)
def test_records_that_do_not_fit_are_refused(project: Hopsworks, data: Any, message: str) -> None:
    with pytest.raises(FeatureStoreError, match=message):
        write(data)


def test_writes_of_one_time_are_sent_together(project: Hopsworks) -> None:
    project.heal()

    async def main() -> list[Any]:
        features = connect_features(SCORES)
        rows: list[Any] = [{"customer_no": number, "score": 1.0} for number in range(30)]
        rows[7]["customer_no"] = "seven"
        try:
            writing = [features.write(SCORES, row, event_time="2024-07-01") for row in rows]
            return await asyncio.gather(*writing, return_exceptions=True)
        finally:
            await features.close()

    done = asyncio.run(main())
    assert [type(answer) for answer in done] == [bool] * 7 + [FeatureStoreError] + [bool] * 22
    written = [record for record, _ in records(project, 31) if record["score"] == 1.0]
    assert sorted(record["customer_no"] for record in written) == [
        number for number in range(30) if number != 7
    ]
    assert len(project.asked("/online_ingestion")) == 1  # one for each call of the client


def test_a_row_that_the_broker_refuses_fails_alone(project: Hopsworks) -> None:
    async def main() -> list[Any]:
        features = connect_features(NOTES)
        texts = ["short", "x" * 2_000_000, "short"]
        try:
            writing = [
                features.write(NOTES, {"customer_id": f"n{number}", "note": text})
                for number, text in enumerate(texts)
            ]
            found = await asyncio.gather(*writing, return_exceptions=True)
            return [*found, await features.write(NOTES, {"customer_id": "n3", "note": "short"})]
        finally:
            await features.close()

    first, refused, third, later = asyncio.run(main())
    assert (first, third, later) == (True, True, True)
    assert isinstance(refused, FeatureStoreError)
    assert refused.reason == "the write to 'notes' version 1 failed: MSG_SIZE_TOO_LARGE"
    assert not refused.retryable


def test_a_broker_that_is_gone_fails_the_write_which_then_succeeds(
    project: Hopsworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(writes.PRODUCER, "message.timeout.ms", 1000)
    alive = project.bootstrap_servers

    async def main() -> None:
        features = connect_features(SCORES)
        row = {"customer_no": 99, "score": 9.0}
        try:
            with socket.socket() as closed:  # bound, and not listened on
                closed.bind(("127.0.0.1", 0))
                project.bootstrap_servers = f"127.0.0.1:{closed.getsockname()[1]}"
                with pytest.raises(FeatureStoreError) as caught:
                    await features.write(SCORES, row, event_time="2024-08-01")
            assert caught.value.reason == "the write to 'scores' version 1 failed: _MSG_TIMED_OUT"
            assert caught.value.retryable
            project.bootstrap_servers = alive
            assert await features.write(SCORES, row, event_time="2024-08-01")
        finally:
            project.bootstrap_servers = alive
            await features.close()

    asyncio.run(main())


def test_a_group_that_is_not_kept_online_is_found_at_load(project: Hopsworks) -> None:
    group = project.group("scores", 1)
    assert group is not None
    group.online = False
    try:
        with pytest.raises(LoadError, match="'scores' version 1 is not kept online"):
            HopsworksFeatures([SCORES])
    finally:
        group.online = True
