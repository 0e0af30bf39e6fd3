"""The end of a server: what it says, what it finishes, and when it is over."""

import json
import os
import signal
import socket
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # its stubs are another package
import httpx
import pytest
from kserve.protocol.grpc import (  # type: ignore[import-untyped]  # it says nothing of its types
    grpc_predict_v2_pb2,
)
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (  # type: ignore[import-untyped]
    GRPCInferenceServiceStub,
)

from tests.irc_runtime import streaming_agent
from tests.irc_runtime.load import Load
from tests.irc_runtime.served import InBackground, Served, Waiting, until, waiting
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_the_server_ends_under_load(tmp_path: Path, workers: int) -> None:
    flags = (f"--workers={workers}", "--drain_delay_s=3")
    with waiting(tmp_path, *flags) as agent:
        agent.wait_for_event("serving", workers)
        load = Load(agent)
        load.start(load.keep_alive, 8)
        load.start(load.one_by_one, 2)
        load.start(load.over_grpc, 2)
        until(lambda: len(load.answered) > 100, lambda: load.lost or agent.log)
        assert agent.stop() == 0
        load.join()
        assert load.lost == []
        done = agent.journal("done")
        assert sorted(done) == sorted(load.answered) == sorted(agent.journal("begun"))
        assert [agent.events[-1]["event"], len(agent.named("stopped"))] == ["stopped", workers]
        assert agent.journal("closed") == ["patient"] * workers
        assert agent.journal_file.read_text().endswith("\nclosed patient\n")


def test_without_a_delay_connections_in_use_lose_nothing_either(tmp_path: Path) -> None:
    with waiting(tmp_path) as agent:
        load = Load(agent, wait_s=0.0)
        load.start(load.keep_alive, 8)
        until(lambda: len(load.answered) > 100, lambda: load.lost or agent.log)
        assert agent.stop() == 0
        load.join()
        assert load.lost == []
        assert sorted(agent.journal("done")) == sorted(load.answered)


def test_a_server_that_ends_is_live_and_not_ready_and_answers(tmp_path: Path) -> None:
    with waiting(tmp_path, "--drain_delay_s=20") as agent, httpx.Client() as idle:
        assert idle.get(agent.url("/v2/health/ready")).json() == {"ready": True}
        agent.process.send_signal(signal.SIGTERM)
        agent.wait_for_event("draining")
        ready = idle.get(agent.url("/v2/health/ready"))
        assert (ready.status_code, ready.json()["type"]) == (503, "not_ready")
        assert ready.headers["connection"] == "close"
        assert httpx.get(agent.url("/v1/models/patient")).status_code == 503
        assert httpx.get(agent.url("/v2/models/patient/ready")).status_code == 503
        assert httpx.get(agent.url("/v2/health/live")).json() == {"live": True}
        with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            assert not stub.ServerReady(grpc_predict_v2_pb2.ServerReadyRequest()).ready
            model = grpc_predict_v2_pb2.ModelReadyRequest(name="patient")
            assert not stub.ModelReady(model).ready
            assert stub.ServerLive(grpc_predict_v2_pb2.ServerLiveRequest()).live
        answer = agent.predict({"key": "late"})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        agent.process.send_signal(signal.SIGINT)
        assert agent.process.wait(10) == 0
        assert agent.named("not_ready") == []
        assert "not ready" not in agent.log


def test_streams_under_way_are_finished(tmp_path: Path) -> None:
    with OpenAIServer() as model:
        model.script(Answer("word " * 40, pause_s=0.05))
        environment = {
            "PATH": os.environ["PATH"],
            "OPENAI_API_KEY": "key-of-tests",
            "OPENAI_BASE_URL": model.base_url,
        }
        agent = Served(environment, tmp_path, module=streaming_agent.__name__, name="talking")
        agent.wait_until_ready()
        accept = {"accept": "text/event-stream"}
        url = agent.url("/v1/models/talking:predict")
        with httpx.stream("POST", url, json={"query": "hi"}, headers=accept) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: token"
            agent.process.send_signal(signal.SIGTERM)
            events = [line for line in lines if line.startswith("event: ")]
        assert events == ["event: token"] * 39 + ["event: result"]
        assert agent.process.wait(30) == 0


def test_what_is_not_finished_in_time_is_answered_and_told(tmp_path: Path) -> None:
    with waiting(tmp_path, "--drain_grace_s=0.5") as agent:
        slow = InBackground(lambda: agent.predict({"key": "slow", "wait_s": 60}))
        until(lambda: agent.journal("begun"))
        assert agent.stop() == 1
        assert slow.get().status_code == 503
        assert slow.get().json()["type"] == "stopped"
        assert slow.get().headers["retry-after"] == "1"
        assert agent.journal("cancelled") == ["slow"]
        assert agent.named("requests_cancelled")[0]["requests"] == 1


@pytest.mark.parametrize(
    ("second", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)], ids=["SIGTERM", "SIGINT"]
)
def test_a_second_signal(tmp_path: Path, second: signal.Signals, status: int) -> None:
    """SIGTERM is often repeated, and changes nothing; SIGINT is somebody who will not wait."""
    with waiting(tmp_path) as agent:
        slow = InBackground(lambda: agent.predict({"key": "slow", "wait_s": 4}))
        until(lambda: agent.journal("begun"))
        agent.process.send_signal(signal.SIGINT)
        agent.wait_for_event("draining")
        agent.process.send_signal(second)
        assert agent.process.wait(20) == status
        assert slow.get().status_code == (503 if status else 200)
        assert agent.journal("cancelled" if status else "done") == ["slow"]


def test_a_process_that_something_keeps_ends_all_the_same(tmp_path: Path) -> None:
    """Code that does not yield to the event loop, and would outlast the time there is."""
    with waiting(tmp_path, "--drain_delay_s=1", "--drain_grace_s=0.1") as agent:
        agent.process.send_signal(signal.SIGTERM)
        agent.wait_for_event("draining")
        stuck = InBackground(lambda: agent.predict({"key": "stuck", "block_s": 60}))
        assert agent.process.wait(30) == 1
        assert agent.journal("begun") == ["stuck"]
        assert agent.events[-1]["event"] == "end_forced"
        assert isinstance(stuck.get(), httpx.TransportError)


def test_a_connection_that_waits_to_be_taken_is_answered(tmp_path: Path) -> None:
    """The kernel makes connections before the server takes them: the last ones are not reset."""
    with waiting(tmp_path) as agent:
        blocked = InBackground(lambda: agent.predict({"key": "first", "block_s": 1.5}))
        until(lambda: agent.journal("begun"))
        with socket.create_connection(("127.0.0.1", agent.port)) as caller:
            body = json.dumps({"key": "second"}).encode()
            head = (
                b"POST /v1/models/patient:predict HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
            )
            caller.sendall(head % len(body) + body)
            agent.process.send_signal(signal.SIGTERM)
            answer = caller.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert blocked.get().status_code == 200
        assert agent.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_loading_ends_the_process(tmp_path: Path, number: signal.Signals) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    agent = Waiting(tmp_path, "--drain_delay_s=60", environment={"HOLD": str(hold)})
    until(lambda: agent.journal("loading"), lambda: agent.log)
    agent.process.send_signal(number)
    assert agent.process.wait(20) == 0
    assert agent.log == ""
