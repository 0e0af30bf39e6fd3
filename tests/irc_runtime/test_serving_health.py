"""Probes: what ready and live mean, and what a blocked event loop comes to."""

import signal
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

from tests.irc_runtime.served import InBackground, Waiting, until, waiting
from tests.standins.redis_server import RedisServer


def test_an_agent_is_ready_once_it_is_loaded(tmp_path: Path) -> None:
    """Loading connects clients and fetches models: until it is done, nothing takes connections."""
    hold = tmp_path / "hold"
    hold.touch()
    agent = Waiting(tmp_path, environment={"HOLD": str(hold)})
    try:
        until(lambda: agent.journal("loading"), lambda: agent.log)
        with pytest.raises(httpx.ConnectError):
            httpx.get(agent.url("/v2/health/ready"))
        with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.ServerReady(grpc_predict_v2_pb2.ServerReadyRequest())
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        hold.unlink()
        agent.wait_for_event("serving")
        assert httpx.get(agent.url("/v2/health/ready")).json() == {"ready": True}
        assert httpx.get(agent.url("/v1/models/patient")).json()["ready"]
        with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            assert stub.ServerReady(grpc_predict_v2_pb2.ServerReadyRequest()).ready
            model = grpc_predict_v2_pb2.ModelReadyRequest(name="patient")
            assert stub.ModelReady(model).ready
    finally:
        agent.process.terminate()
        agent.process.wait(20)


def test_an_agent_whose_redis_is_gone_stays_ready_and_says_what_is_wrong(
    redis: RedisServer, tmp_path: Path
) -> None:
    """All replicas share it: were they not ready, callers would learn nothing, and wait for nobody."""
    environment = {"REDIS_URL": redis.url}
    with waiting(tmp_path, name="counting", environment=environment) as agent:
        request = {"session_id": "s", "key": "k"}
        assert agent.predict(request).json()["turn"] == 1
        redis.kill()
        failed = agent.predict(request)
        assert (failed.status_code, failed.json()["type"]) == (500, "state")
        assert httpx.get(agent.url("/v2/health/ready")).status_code == 200
        assert httpx.get(agent.url("/v2/health/live")).status_code == 200
        redis.start()
        until(lambda: agent.predict(request).status_code == 200, lambda: agent.log)


def test_a_blocked_event_loop_is_told_with_its_place(tmp_path: Path) -> None:
    with waiting(tmp_path) as agent:
        blocked = InBackground(lambda: agent.predict({"key": "k", "block_s": 4}))
        until(lambda: agent.journal("begun"))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(agent.url("/v2/health/live"), timeout=0.5)
        told = agent.wait_for_event("event_loop_blocked")
        assert told["at"].startswith("__main__:")
        assert blocked.get().status_code == 200
        assert agent.wait_for_event("event_loop_free")["blocked_s"] >= 2
        assert httpx.get(agent.url("/v2/health/live")).json() == {"live": True}
        assert agent.stop() == 0


def test_a_process_whose_event_loop_does_not_come_back_ends(tmp_path: Path) -> None:
    with waiting(tmp_path, "--blocked_limit_s=3") as agent:
        stuck = InBackground(lambda: agent.predict({"key": "k", "block_s": 600}))
        assert agent.process.wait(60) == 1
        assert isinstance(stuck.get(), httpx.TransportError)
        assert [event["event"] for event in agent.events[-2:]] == [
            "event_loop_blocked",
            "event_loop_stuck",
        ]


def test_a_process_that_was_halted_goes_on(tmp_path: Path) -> None:
    """As a container is that is paused: it is not the loop that stands still."""
    with waiting(tmp_path, "--blocked_limit_s=1") as agent:
        agent.process.send_signal(signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(agent.url("/v2/health/live"), timeout=3)
        agent.process.send_signal(signal.SIGCONT)
        assert agent.predict({"key": "k"}).status_code == 200
        assert agent.stop() == 0
        assert agent.named("event_loop_blocked") == []


def test_code_that_fails_while_loading_is_told_in_one_event(tmp_path: Path) -> None:
    agent = Waiting(tmp_path, environment={"BROKEN": "/"})
    assert agent.process.wait(60) == 1
    (event,) = agent.events
    assert event["event"] == "load_failed"
    assert event["reason"].startswith("ValueError in __main__:")
    assert "secret" not in agent.log


def test_an_answer_that_json_cannot_say_is_a_failure_of_one_line(tmp_path: Path) -> None:
    with waiting(tmp_path) as agent:
        answer = agent.predict({"key": "k", "unspeakable": True})
        assert (answer.status_code, answer.json()["type"]) == (500, "error")
        assert len(answer.json()["trace_id"]) == 32
        assert answer.json()["reason"].startswith("TypeError in ")
        assert agent.predict({"key": "k"}).status_code == 200
        assert agent.stop() == 0
        (line,) = [event for event in agent.events if "event" not in event]
        assert (line["level"], line["exception"]) == ("error", "TypeError")
        assert line["raised_at"] == answer.json()["reason"].removeprefix("TypeError in ")
        assert "secret" not in agent.log


def test_a_server_that_cannot_start_is_told_in_one_event(tmp_path: Path) -> None:
    agent = Waiting(tmp_path, "--ssl_certfile=/nowhere", "--ssl_keyfile=/nowhere")
    assert agent.process.wait(60) == 1
    assert [event["event"] for event in agent.events] == ["loaded", "server_failed"]
    assert agent.events[-1]["reason"].startswith("FileNotFoundError")
