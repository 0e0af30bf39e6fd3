"""A served agent, in a process of its own, on the real KServe server."""

import asyncio
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from irc_runtime.features.load import load_features
from tests.irc_runtime.served import START_TIMEOUT_S, Served, free_port
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, Failure

REQUEST = {"user_id": "u1", "session_id": "s1", "query": "secret question", "trace_id": "t-1"}
REPLY = {"text": "Here.", "sentiment": "neutral", "escalate": False}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def environment(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("features")
    source = folder / "customers.csv"
    source.write_text("user_id,event_time,name,plan\nu1,2024-01-01,Ada,gold\n")
    load_features(
        source,
        folder / "features.db",
        name="customers",
        version=1,
        key=("user_id",),
        event_time="event_time",
    )
    return {
        "PATH": os.environ["PATH"],
        "IRC_FEATURES": f"sqlite:///{folder / 'features.db'}",
        "OPENAI_API_KEY": "key-of-tests",
        "OPENAI_BASE_URL": model.base_url,
    }


@pytest.fixture(scope="module")
def served(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    flags = ("--enable_grpc=true", f"--grpc_port={free_port()}")
    agent = Served(environment, tmp_path_factory.mktemp("served"), *flags)
    try:
        agent.wait_until_ready()
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.stop()


def tensor(name: str, values: list[Any], datatype: str = "BYTES") -> dict[str, Any]:
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": values}


def test_the_request_object_itself_is_answered(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY), Answer(REPLY))
    first = served.predict({**REQUEST, "session_id": "two turns"})
    second = served.predict({**REQUEST, "session_id": "two turns"})
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/json"
    assert first.json()["answer"] == "Here."
    assert first.json()["earlier"] == []
    assert second.json()["earlier"] == ["secret question"]
    assert "Earlier: secret question" in model.last.prompt()


def test_a_body_without_a_content_type_is_read_as_json(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY))
    url = served.url("/v1/models/support:predict")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = httpx.post(url, content=json.dumps(REQUEST), headers=headers, timeout=30)
    assert response.json()["answer"] == "Here."


def test_instances_are_answered_with_predictions(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY), Answer(REPLY))
    body = {"instances": [{**REQUEST, "session_id": "a"}, {**REQUEST, "session_id": "b"}]}
    predictions = served.predict(body).json()["predictions"]
    assert [item["answer"] for item in predictions] == ["Here.", "Here."]


def test_tensors_are_answered_with_tensors(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY), Answer(REPLY))
    response = served.infer(
        tensor("user_id", ["u1", "u1"]),
        tensor("session_id", ["c", "d"]),
        tensor("query", ["Why?", "How?"]),
        tensor("trace_id", ["t-1", "t-2"]),
    ).json()
    outputs = {output["name"]: output for output in response["outputs"]}
    assert outputs["answer"]["data"] == ["Here.", "Here."]
    assert outputs["escalate"]["datatype"] == "BOOL"
    assert outputs["trace_id"]["data"] == ["t-1", "t-2"]
    assert outputs["earlier"]["parameters"] == {"content_type": "json"}


def test_a_tensor_may_hold_whole_requests(served: Served, model: OpenAIServer) -> None:
    model.script(Answer(REPLY))
    response = served.infer(tensor("request", [json.dumps({**REQUEST, "session_id": "e"})]))
    assert response.status_code == 200, response.text


def test_grpc_takes_the_same_tensors(served: Served, model: OpenAIServer) -> None:
    from kserve import InferInput, InferRequest  # type: ignore[import-untyped]
    from kserve.inference_client import InferenceGRPCClient  # type: ignore[import-untyped]

    port = served.flags[-1].partition("=")[2]
    fields = {"user_id": b"u1", "session_id": b"f", "query": b"Why?"}

    async def infer(names: list[str]) -> Any:
        client = InferenceGRPCClient(f"127.0.0.1:{port}")
        try:
            tensors = [InferInput(name, [1], "BYTES", [fields[name]]) for name in names]
            return await client.infer(InferRequest("support", tensors))
        finally:
            await client.close()

    model.script(Answer(REPLY))
    outputs = {output.name: output.data for output in asyncio.run(infer(list(fields))).outputs}
    assert outputs["answer"] == [b"Here."]
    with pytest.raises(Exception, match="missing required fields: session_id, query") as caught:
        asyncio.run(infer(["user_id"]))
    assert "INVALID_ARGUMENT" in str(caught.value)


def test_missing_fields_are_all_named(served: Served) -> None:
    response = served.predict({"user_id": "u1", "trace_id": "t-9"})
    assert response.status_code == 400
    assert response.json() == {
        "error": "missing required fields: session_id, query",
        "type": "missing_fields",
        "reason": "missing required fields: session_id, query",
        "missing": ["session_id", "query"],
        "trace_id": "t-9",
    }
    assert served.infer(tensor("user_id", ["u1"])).status_code == 400


@pytest.mark.parametrize("body", [[1], "text", 1, {"instances": 1}, {"instances": [1]}])
def test_what_is_no_request_is_refused(served: Served, body: Any) -> None:
    response = served.predict(body)
    assert (response.status_code, response.json()["type"]) == (400, "bad_request")


def test_a_body_that_is_no_json_is_refused(served: Served) -> None:
    url = served.url("/v1/models/support:predict")
    for kind in ("application/json", "text/plain"):
        response = httpx.post(url, content=b"{", headers={"content-type": kind})
        assert (response.status_code, response.json()["type"]) == (400, "bad_request")


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"instances": [1]}', b'{"inputs": "secret"}'])
@pytest.mark.parametrize("path", ["/v1/models/support:predict", "/v2/models/support/infer"])
def test_every_refusal_has_a_trace(served: Served, path: str, body: bytes, kind: str) -> None:
    headers = {"content-type": kind}
    for _ in range(2):
        response = httpx.post(served.url(path), content=body, headers=headers)
        assert response.status_code == 400
        assert re.fullmatch("[0-9a-f]{32}", response.json()["trace_id"])
        assert "secret" not in response.text
    headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-01"
    response = httpx.post(served.url(path), content=body, headers=headers)
    assert response.json()["trace_id"] == TRACE


def test_a_failure_says_node_place_and_trace(served: Served) -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    request = {**REQUEST, "user_id": "secret nobody"}
    del request["trace_id"]
    response = served.predict(request, headers=headers)
    assert response.status_code == 500
    assert response.json() == {
        "error": "node 'fetch_customer' failed: 'customers' version 1 has no row for that key "
        "at or before that time",
        "type": "row_not_found",
        "reason": "'customers' version 1 has no row for that key at or before that time",
        "node": "fetch_customer",
        "location": "flows/support/flow.yaml:15",
        "attempts": 1,
        "trace_id": TRACE,
    }
    event = next(item for item in served.events if item.get("event") == "node_failed")
    assert event["trace_id"] == response.json()["trace_id"]
    assert event["location"] == "flows/support/flow.yaml:15"


def test_an_unreachable_model_takes_the_error_route(served: Served, model: OpenAIServer) -> None:
    model.script(Failure(503), Failure(503))
    assert served.predict(REQUEST).json()["answer"] == "Sorry"


def test_the_log_is_json_lines_without_content_or_a_line_a_request(served: Served) -> None:
    names = {event.get("event") for event in served.events}
    assert {"loaded", "serving", "attempt_failed"} <= names
    assert "secret" not in served.log
    assert "predict" not in served.log


def test_metrics_are_kserves(served: Served) -> None:
    assert "request_predict_seconds" in httpx.get(served.url("/metrics")).text


def test_requests_under_way_are_finished_on_sigterm(
    environment: dict[str, str], model: OpenAIServer, tmp_path: Path
) -> None:
    agent = Served(environment, tmp_path)
    agent.wait_until_ready()
    model.script(Answer(REPLY, delay_s=1.0))
    answers: list[httpx.Response] = []
    request = threading.Thread(target=lambda: answers.append(agent.predict(REQUEST)))
    seen = len(model.requests)
    request.start()
    while len(model.requests) == seen:
        time.sleep(0.01)
    assert agent.stop() == 0
    request.join()
    assert answers[0].json()["answer"] == "Here."
    assert agent.events[-1]["event"] == "stopped"


def test_an_agent_that_cannot_load_ends_and_says_why(
    environment: dict[str, str], tmp_path: Path
) -> None:
    agent = Served({**environment, "IRC_FEATURES": ""}, tmp_path)
    assert agent.process.wait(START_TIMEOUT_S) == 1
    (event,) = agent.events
    assert event["event"] == "load_failed"
    assert "IRC_FEATURES is not set" in event["reason"]


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_taken_port_is_told_in_one_event(
    environment: dict[str, str], tmp_path: Path, kind: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        agent = Served(environment, tmp_path, "--enable_grpc=true", f"--{kind}_port={port}")
        assert agent.process.wait(START_TIMEOUT_S) == 1
    (event,) = agent.events
    assert (event["event"], event["port"]) == ("port_taken", port)
    assert f"--{kind}_port" in event["hint"]
    assert ("--enable_grpc=false" in event["hint"]) == (kind == "grpc")


def test_serving_is_said_once_the_agent_listens(
    environment: dict[str, str], tmp_path: Path
) -> None:
    agent = Served(environment, tmp_path)
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while '"serving"' not in agent.log:
            assert agent.process.poll() is None, agent.log
            assert time.monotonic() < deadline, agent.log
            time.sleep(0.001)
        assert httpx.get(agent.url("/v1/models/support")).status_code == 200
    finally:
        agent.stop()


def test_port_0_is_a_free_port_and_the_event_says_which(
    environment: dict[str, str], tmp_path: Path
) -> None:
    agent = Served(environment, tmp_path, "--http_port=0")
    try:
        port = agent.wait_for_event("serving")["http_port"]
        assert port not in {0, agent.port}
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models/support").status_code == 200
    finally:
        assert agent.stop() == 0


def test_one_port_for_both_protocols_is_refused(
    environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    flags = ("--enable_grpc=true", f"--http_port={port}", f"--grpc_port={port}")
    agent = Served(environment, tmp_path, *flags)
    assert agent.process.wait(START_TIMEOUT_S) == 1
    (event,) = agent.events
    assert (event["event"], event["port"]) == ("port_taken", port)
    assert "--grpc_port" in event["hint"]


def test_an_agent_takes_connections_from_a_socket_of_another_process(
    environment: dict[str, str], model: OpenAIServer, tmp_path: Path
) -> None:
    """A supervisor holds the port while one version follows another; the gRPC port is shared."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", 0))
        port, grpc_port = listener.getsockname()[1], free_port()
        flags = ("--enable_grpc=true", f"--grpc_port={grpc_port}")
        first = Served(environment, tmp_path, *flags, listener=listener)
        try:
            first.wait_until_ready()
            second = Served(environment, tmp_path, *flags, listener=listener)
            try:
                second.wait_for_event("serving")
                assert first.stop() == 0
                assert (first.port, second.port) == (port, port)
                model.script(Answer(REPLY))
                assert second.predict(REQUEST).json()["answer"] == "Here."
            finally:
                assert second.stop() == 0
        finally:
            first.process.kill()
