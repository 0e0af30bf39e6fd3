"""The topics that feed a project's feature groups.

The broker is the one that librdkafka, with which the client writes, brings for tests: it speaks
Kafka's protocol, without TLS.
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import confluent_kafka
import fastavro

from tests.standins.hopsworks_api import Hopsworks


@contextmanager
def kafka_broker(project: Hopsworks) -> Iterator[None]:
    """A broker, which the project names to its clients, until the end of the block."""
    broker = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
    [member] = broker.list_topics(timeout=30).brokers.values()
    project.bootstrap_servers = f"{member.host}:{member.port}"
    yield


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
        found = [message for _ in range(count) for message in consumer.consume(1, timeout=30)]
        return [
            (
                dict(fastavro.schemaless_reader(io.BytesIO(message.value()), schema, None)),  # type: ignore[arg-type]  # the schema is a record
                dict(message.headers() or []),  # type: ignore[arg-type]  # it is a list of pairs
            )
            for message in found
        ]
    finally:
        consumer.close()
