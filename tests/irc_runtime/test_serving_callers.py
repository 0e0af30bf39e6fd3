"""Callers that go away: what they asked for ends, and nothing of it stays behind."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # its stubs are another package
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (  # type: ignore[import-untyped]
    GRPCInferenceServiceStub,
)

from tests.irc_runtime.load import tensors
from tests.irc_runtime.served import InBackground, Waiting, until, waiting
from tests.standins.redis_server import RedisServer


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Waiting]:
    """An agent that answers one request at a time, so that one that stays is noticed."""
    with waiting(tmp_path, "--max_requests=1") as served:
        yield served


def begin(agent: Waiting, body: object, accept: str = "*/*") -> socket.socket:
    """Send a request and keep its connection."""
    content = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", agent.port))
    connection.sendall(
        f"POST /v1/models/{agent.name}:predict HTTP/1.1\r\nhost: agent\r\n"
        f"accept: {accept}\r\ncontent-length: {len(content)}\r\n\r\n".encode()
        + content
    )
    return connection


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_a_request_ends_with_its_caller(agent: Waiting, accept: str) -> None:
    connection = begin(agent, {"key": "left", "wait_s": 60}, accept)
    until(lambda: agent.journal("begun"))
    connection.close()
    until(lambda: agent.journal("cancelled") == ["left"], lambda: agent.log)
    assert agent.predict({"key": "next"}).json()["key"] == "next"
    assert agent.journal("done") == ["next"]
    assert agent.stop() == 0
    assert [event["event"] for event in agent.events] == [
        "loaded",
        "serving",
        "draining",
        "stopped",
    ]


def test_all_instances_end_with_their_caller(agent: Waiting) -> None:
    instances = [{"key": f"left {number}", "wait_s": 60} for number in range(3)]
    connection = begin(agent, {"instances": instances})
    until(lambda: len(agent.journal("begun")) == 3)
    connection.close()
    until(lambda: len(agent.journal("cancelled")) == 3)
    assert agent.predict({"key": "next"}).status_code == 200


def test_a_request_over_grpc_ends_with_its_caller(agent: Waiting) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
        request = tensors("patient", request=json.dumps({"key": "left", "wait_s": 60}))
        call = GRPCInferenceServiceStub(channel).ModelInfer.future(request)
        until(lambda: agent.journal("begun"))
        call.cancel()
        until(lambda: agent.journal("cancelled") == ["left"], lambda: agent.log)
        assert GRPCInferenceServiceStub(channel).ModelInfer(tensors("patient", key="next"))
    assert agent.journal("done") == ["next"]


def test_a_caller_that_leaves_while_it_waits_is_not_begun(agent: Waiting) -> None:
    first = InBackground(lambda: agent.predict({"key": "first", "wait_s": 2}))
    until(lambda: agent.journal("begun"))
    waits = begin(agent, {"key": "left"})
    third = InBackground(lambda: agent.predict({"key": "third"}))
    waits.close()
    assert (first.get().status_code, third.get().status_code) == (200, 200)
    assert agent.journal("begun") == ["first", "third"]


def test_a_caller_that_leaves_in_the_middle_of_its_request_leaves_nothing(agent: Waiting) -> None:
    connection = socket.create_connection(("127.0.0.1", agent.port))
    connection.sendall(
        b"POST /v1/models/patient:predict HTTP/1.1\r\nhost: agent\r\ncontent-length: 100\r\n\r\n{"
    )
    connection.close()
    chunked = socket.create_connection(("127.0.0.1", agent.port))
    chunked.sendall(
        b"POST /v1/models/patient:predict HTTP/1.1\r\nhost: agent\r\n"
        b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"
    )
    chunked.close()
    assert agent.predict({"key": "next"}).status_code == 200
    assert agent.stop() == 0
    assert [event["event"] for event in agent.events] == [
        "loaded",
        "serving",
        "draining",
        "stopped",
    ]


def test_a_sessions_lock_is_released_and_nothing_is_kept(
    redis: RedisServer, tmp_path: Path
) -> None:
    environment = {"REDIS_URL": redis.url}
    with waiting(tmp_path, name="counting", environment=environment) as agent:
        assert agent.predict({"session_id": "s", "key": "one"}).json()["turn"] == 1
        connection = begin(agent, {"session_id": "s", "key": "left", "wait_s": 60})
        until(lambda: agent.journal("begun") == ["one", "left"])
        connection.close()
        until(lambda: agent.journal("cancelled") == ["left"])
        assert agent.predict({"session_id": "s", "key": "two"}).json()["turn"] == 2
        assert agent.stop() == 0
