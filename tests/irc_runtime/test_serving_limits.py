"""What a server bears: the size of requests, their number, and the time that callers take."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # its stubs are another package
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (  # type: ignore[import-untyped]
    GRPCInferenceServiceStub,
)

from tests.irc_runtime.load import tensors
from tests.irc_runtime.served import InBackground, Waiting, until, waiting

MIB = 1024 * 1024
RECEIVE_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    flag = f"--receive_timeout_s={RECEIVE_TIMEOUT_S}"
    with waiting(tmp_path_factory.mktemp("served"), flag) as served:
        yield served


def connected(agent: Waiting) -> socket.socket:
    """A connection of a caller that speaks HTTP itself."""
    return socket.create_connection(("127.0.0.1", agent.port), timeout=30)


def received(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the body of a response after which the server closes the connection."""
    raw = b""
    while piece := connection.recv(65536):
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split(b" ")[1]), json.loads(body)


def head(*lines: str) -> bytes:
    """The head of a request."""
    first = "POST /v1/models/patient:predict HTTP/1.1"
    return "\r\n".join([first, "host: agent", *lines, "", ""]).encode()


def large(size_bytes: int) -> bytes:
    """A request of that size."""
    body = {"key": "large", "padding": ""}
    body["padding"] = "x" * (size_bytes - len(json.dumps(body)))
    return json.dumps(body).encode()


def pieces(body: bytes) -> Iterator[bytes]:
    """A body in chunks."""
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/models/patient:predict", "/v2/models/patient/infer"])
def test_a_request_of_10_mb_is_refused(agent: Waiting, path: str, chunked: bool) -> None:
    body = large(10_000_000)
    content = pieces(body) if chunked else body
    response = httpx.post(agent.url(path), content=content, timeout=30)
    assert response.status_code == 413
    assert response.json()["type"] == "too_large"
    assert response.json()["reason"] == f"the request is larger than {8 * MIB} bytes"
    assert agent.journal("begun").count("large") == 0


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_of_the_size_that_is_allowed_is_answered(agent: Waiting, chunked: bool) -> None:
    body = large(8 * MIB)
    content = pieces(body) if chunked else body
    url = agent.url("/v1/models/patient:predict")
    assert httpx.post(url, content=content, timeout=30).json()["key"] == "large"


def test_a_large_request_is_refused_before_it_comes(agent: Waiting) -> None:
    with connected(agent) as connection:
        connection.sendall(head("content-length: 10000000"))
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "too_large"
        connection.sendall(b"x" * 1000)  # what comes on is read, and not answered


def test_a_large_request_over_grpc_is_refused(agent: Waiting) -> None:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}", options) as channel:
        stub = GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(tensors("patient", key="x" * 10_000_000))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        stub.ModelInfer(tensors("patient", key="after"))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_large_head_is_refused(agent: Waiting, at_once: bool) -> None:
    sent = head(f"x-padding: {'x' * 100_000}", "content-length: 0")
    with connected(agent) as connection:
        if at_once:
            connection.sendall(sent)
        else:
            for piece in (sent[:30_000], sent[30_000:60_000], sent[60_000:-2]):
                connection.sendall(piece)
                time.sleep(0.05)
        status, body = received(connection)
    assert (status, body["type"]) == (431, "head_too_large")


def test_what_is_not_http_is_refused_in_the_agents_form(agent: Waiting) -> None:
    with connected(agent) as connection:
        connection.sendall(b"\x16\x03\x01 not HTTP\r\n\r\n")
        status, body = received(connection)
    assert (status, body["type"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "begun",
    [b"POST /v1/mod", head("content-length: 1000")[:-2], head("content-length: 1000") + b"{"],
    ids=["line", "head", "body"],
)
def test_a_caller_that_trickles_is_ended(agent: Waiting, begun: bytes) -> None:
    """Slow loris: a byte now and then, which keeps the connection busy and never ends the request."""
    with connected(agent) as slow:
        slow.sendall(begun)
        slow.settimeout(0.3)
        answer = b""
        for _ in range(100):
            assert agent.predict({"key": "other"}).status_code == 200
            try:
                if answer := slow.recv(65536):
                    break
            except TimeoutError:
                slow.sendall(b"x")
        assert answer.startswith(b"HTTP/1.1 408")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "too_slow"
        assert slow.recv(1) == b""


def test_a_connection_that_says_nothing_is_closed(agent: Waiting) -> None:
    with connected(agent) as silent:
        assert silent.recv(1) == b""


def test_a_caller_that_does_not_read_is_cut_off(agent: Waiting) -> None:
    """What is written for it is kept until it does, and a stream would keep its turn."""
    key = "k" * 6 * MIB
    body = json.dumps({"key": key}).encode()
    files = f"/proc/{agent.process.pid}/fd"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(30)
        deaf.connect(("127.0.0.1", agent.port))
        deaf.sendall(head(f"content-length: {len(body)}") + body)
        until(lambda: agent.journal("done")[-1:] == [key])
        taken = len(os.listdir(files))
        until(lambda: len(os.listdir(files)) < taken, lambda: agent.log)
        received_bytes = 0
        while piece := deaf.recv(65536):
            received_bytes += len(piece)
        assert 0 < received_bytes < len(key)


def test_one_call_takes_so_many_requests(agent: Waiting) -> None:
    def batch(size: int) -> httpx.Response:
        return agent.predict({"instances": [{"key": "batch"}] * size})

    assert len(batch(1000).json()["predictions"]) == 1000
    refused = batch(1001)
    assert (refused.status_code, refused.json()["type"]) == (400, "bad_request")
    keys = {"name": "key", "shape": [1001], "datatype": "BYTES", "data": ["batch"] * 1001}
    assert agent.infer(keys).status_code == 400
    assert agent.journal("begun").count("batch") == 1000


async def ask(agent: Waiting, key: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    """Ask on a connection of one's own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    body = json.dumps({"key": key, **fields}).encode()
    writer.write(head(f"content-length: {len(body)}", "connection: close") + body)
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


def most_at_once(agent: Waiting) -> int:
    """How many requests the agent worked on at the same time."""
    now = most = 0
    for line in agent.journal_file.read_text().splitlines():
        now += {"begun": 1, "done": -1}.get(line.split(" ")[0], 0)
        most = max(most, now)
    return most


def memory_bytes(agent: Waiting) -> int:
    """The most memory that the process has had."""
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_a_thousand_requests_at_once_are_all_answered(tmp_path: Path) -> None:
    with waiting(tmp_path) as agent:
        agent.predict({"key": "first"})
        before_bytes = memory_bytes(agent)

        async def main() -> list[tuple[int, dict[str, Any]]]:
            return await asyncio.gather(
                *(ask(agent, f"k{number}", wait_s=0.1) for number in range(1000))
            )

        answers = asyncio.run(main())
        assert {status for status, _ in answers} == {200}
        keys = [f"k{number}" for number in range(1000)]
        assert [body["key"] for _, body in answers] == keys
        assert sorted(agent.journal("done")) == sorted([*keys, "first"])
        assert 200 < most_at_once(agent) <= 256
        assert memory_bytes(agent) - before_bytes < 64 * MIB


def test_more_than_a_server_takes_are_turned_away(tmp_path: Path) -> None:
    with waiting(tmp_path, "--max_requests=2", "--max_waiting=3") as agent:

        async def main() -> list[tuple[int, dict[str, Any]]]:
            return await asyncio.gather(
                *(ask(agent, f"k{number}", wait_s=1.0) for number in range(20))
            )

        asked = InBackground(lambda: asyncio.run(main()))
        until(lambda: len(agent.journal("begun")) == 2)
        assert httpx.get(agent.url("/v2/health/ready")).status_code == 200
        assert "request_predict_seconds" in httpx.get(agent.url("/metrics")).text
        answers = asked.get()
        assert sorted(status for status, _ in answers) == [200] * 5 + [503] * 15
        assert {body["type"] for status, body in answers if status == 503} == {"overloaded"}
        assert most_at_once(agent) == 2
        assert len(agent.journal("done")) == len(agent.journal("begun")) == 5
        assert agent.predict({"key": "after"}).status_code == 200


def test_who_waits_too_long_is_turned_away(tmp_path: Path) -> None:
    with waiting(tmp_path, "--max_requests=1", "--max_wait_s=0.3") as agent:
        slow = InBackground(lambda: agent.predict({"key": "slow", "wait_s": 5}))
        until(lambda: agent.journal("begun"))
        refused = agent.predict({"key": "refused"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                GRPCInferenceServiceStub(channel).ModelInfer(tensors("patient", key="refused"))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert slow.get().status_code == 200
        assert agent.journal("begun") == ["slow"]


def test_waiting_takes_from_the_time_that_the_caller_gives(tmp_path: Path) -> None:
    with waiting(tmp_path, "--max_requests=1") as agent:
        slow = InBackground(lambda: agent.predict({"key": "slow", "wait_s": 2}))
        until(lambda: agent.journal("begun"))
        headers = {"x-envoy-expected-rq-timeout-ms": "20000"}
        second = agent.predict({"key": "second"}, headers=headers)
        assert slow.get().status_code == 200
        assert 5 < second.json()["left_s"] < 19.5
