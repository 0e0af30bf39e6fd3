"""Writes to feature groups of a Hopsworks project, by its real client.

The broker is the one that librdkafka, with which the client writes, brings for tests: it speaks
Kafka's protocol, without TLS.
"""

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import fastavro
import pytest

from irc_runtime.errors import FeatureStoreError, LoadError
from irc_runtime.features import FeatureWrite, connect_features
from irc_runtime.hopsworks.features import HopsworksFeatures
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.hopsworks_api import Hopsworks

SCORES = FeatureWrite("scores")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopsworks]:
    broker = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    [member] = broker.list_topics(timeout=30).brokers.values()
    with hopsworks_project(tmp_path_factory.mktemp("authority")) as server:
        server.bootstrap_servers = f"{member.host}:{member.port}"
        yield server


def write(data: Any, event_time: str | None = None, group: FeatureWrite = SCORES) -> bool:
    async def main() -> bool:
        features = connect_features(group)
        try:
            return await features.write(group, data, event_time=event_time)
        finally:
            await features.close()

    return asyncio.run(main())


def records(project: Hopsworks, count: int) -> list[tuple[dict[str, Any], dict[str, bytes]]]:
    """The first records on the topic of ``scores``, with their headers."""
    group = project.group("scores", 1)
    assert group is not None
    schema = fastavro.parse_schema(json.loads(group.avro()))
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": project.bootstrap_servers,
            "group.id": "tests",
            "auto.offset.reset": "earliest",
        }
    )
    topic = confluent_kafka.TopicPartition(group.json()["onlineTopicName"], 0, 0)
    parts = [
        confluent_kafka.TopicPartition(topic.topic, number, 0)
        for number in consumer.list_topics(topic.topic, timeout=10).topics[topic.topic].partitions
    ]
    consumer.assign(parts)
    try:
        found = consumer.consume(count, timeout=30)
        return [
            (
                dict(fastavro.schemaless_reader(io.BytesIO(message.value()), schema, None)),  # type: ignore[arg-type]  # the schema is a record
                dict(message.headers() or []),  # type: ignore[arg-type]  # it is a list of pairs
            )
            for message in found
        ]
    finally:
        consumer.close()


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


def test_a_group_that_is_not_kept_online_is_found_at_load(project: Hopsworks) -> None:
    group = project.group("scores", 1)
    assert group is not None
    group.online = False
    try:
        with pytest.raises(LoadError, match="'scores' version 1 is not kept online"):
            HopsworksFeatures([SCORES])
    finally:
        group.online = True
