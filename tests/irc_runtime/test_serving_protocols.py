"""One request over every protocol: the same answers, context and errors."""

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]  # its stubs are another package
import httpx
import pytest
from kserve import (  # type: ignore[import-untyped]  # it says nothing of its types
    InferInput,
    InferRequest,
    InferResponse,
)
from kserve.protocol.grpc import grpc_predict_v2_pb2  # type: ignore[import-untyped]
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (  # type: ignore[import-untyped]
    GRPCInferenceServiceStub,
)
from kserve.protocol.infer_type import RequestedOutput  # type: ignore[import-untyped]

from tests.irc_runtime.load import tensors
from tests.irc_runtime.served import Waiting, waiting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
DEADLINE = "x-envoy-expected-rq-timeout-ms"


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    with waiting(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def stub(agent: Waiting) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel)


def over_v1(agent: Waiting, stub: Any, headers: dict[str, str], **fields: Any) -> Any:
    """The answer as an object, or the status and the error's body."""
    response = agent.predict(fields, headers=headers)
    return (
        response.json() if response.status_code == 200 else (response.status_code, response.json())
    )


def over_v2(agent: Waiting, stub: Any, headers: dict[str, str], **fields: Any) -> Any:
    request = {"name": "request", "shape": [1], "datatype": "BYTES", "data": [json.dumps(fields)]}
    response = agent.infer(request, headers=headers)
    if response.status_code != 200:
        return response.status_code, response.json()
    return objects(InferResponse.from_rest(response.json()))


def over_v2_bytes(agent: Waiting, stub: Any, headers: dict[str, str], **fields: Any) -> Any:
    """The binary tensor extension, in both directions."""
    text = InferInput("request", [1], "BYTES")
    import numpy as np

    text.set_data_from_numpy(np.array([json.dumps(fields)], dtype=object), binary_data=True)
    request = InferRequest("patient", [text], parameters={"binary_data_output": True})
    body, json_length = request.to_rest()
    sizes = {"inference-header-content-length": str(json_length)}
    kind = {"content-type": "application/octet-stream"}
    response = httpx.post(
        agent.url("/v2/models/patient/infer"), content=body, headers={**headers, **sizes, **kind}
    )
    if response.status_code != 200:
        return response.status_code, response.json()
    json_length = int(response.headers["inference-header-content-length"])
    assert b"data" not in response.content[:json_length].replace(b"datatype", b"").replace(
        b"binary_data_size", b""
    )
    return objects(InferResponse.from_bytes(response.content, json_length))


def over_grpc(agent: Waiting, stub: Any, headers: dict[str, str], **fields: Any) -> Any:
    request = tensors("patient", request=json.dumps(fields))
    try:
        return objects(
            InferResponse.from_grpc(stub.ModelInfer(request, metadata=tuple(headers.items())))
        )
    except grpc.RpcError as error:
        return error.code(), json.loads(error.details())


def objects(response: Any) -> dict[str, Any]:
    """The only answer in tensors."""
    found = {}
    for output in response.outputs:
        value = output.as_numpy().tolist()[0]
        value = value.decode() if isinstance(value, bytes) else value
        content_type = (output.parameters or {}).get("content_type")
        if getattr(content_type, "string_param", content_type) == "json":
            value = json.loads(value)
        found[output.name] = value
    return found


OVER_ALL = pytest.mark.parametrize("ask", [over_v1, over_v2, over_v2_bytes, over_grpc])
Ask = Callable[..., Any]


@OVER_ALL
def test_answers_are_the_same(agent: Waiting, stub: Any, ask: Ask) -> None:
    answer = ask(agent, stub, {"traceparent": TRACEPARENT}, key="Grüße")
    expected = {"key": "Grüße", "trace_id": TRACE, "left_s": None}
    assert {name: answer[name] for name in expected} == expected
    assert answer["loop"] == "uvloop"


def test_a_request_sent_before_the_last_is_answered_knows_nothing_of_its_trace(
    agent: Waiting,
) -> None:
    content = b'{"key": "ahead"}'
    first, second = (
        f"POST /v1/models/patient:predict HTTP/1.1\r\nhost: agent\r\n{header}\r\n"
        f"content-length: {len(content)}\r\n\r\n".encode()
        + content
        for header in (f"traceparent: {TRACEPARENT}", "connection: close")
    )
    with socket.create_connection(("127.0.0.1", agent.port)) as connection:
        connection.sendall(first + second)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    told = [json.loads(body) for body in re.findall(rb"\{.*\}", answers)]
    assert [answer["outgoing"] for answer in told] == [{"traceparent": TRACEPARENT}, {}]


@OVER_ALL
def test_a_deadline_bounds_the_request(agent: Waiting, stub: Any, ask: Ask) -> None:
    left_s = ask(agent, stub, {DEADLINE: "20000"}, key="in time")["left_s"]
    assert 10 < left_s <= 20
    status, body = ask(agent, stub, {DEADLINE: "300"}, key="too late", wait_s=60)
    assert status in (504, grpc.StatusCode.DEADLINE_EXCEEDED)
    assert (body["type"], body["node"]) == ("timeout", "step")


@OVER_ALL
@pytest.mark.parametrize("text", ["0", "soon", "-1", pytest.param("9" * 5000, id="long")])
def test_what_is_no_deadline_bounds_nothing(agent: Waiting, stub: Any, ask: Ask, text: str) -> None:
    assert ask(agent, stub, {DEADLINE: text}, key="unbound")["left_s"] is None


@OVER_ALL
def test_errors_are_the_same(agent: Waiting, stub: Any, ask: Ask) -> None:
    status, body = ask(agent, stub, {"traceparent": TRACEPARENT}, other="field")
    assert status in (400, grpc.StatusCode.INVALID_ARGUMENT)
    assert body == {
        "error": "missing required fields: key",
        "type": "missing_fields",
        "reason": "missing required fields: key",
        "missing": ["key"],
        "trace_id": TRACE,
    }


def test_grpcs_own_deadline_bounds_the_request(agent: Waiting, stub: Any) -> None:
    request = tensors("patient", request=json.dumps({"key": "a"}))
    left_s = objects(InferResponse.from_grpc(stub.ModelInfer(request, timeout=20)))["left_s"]
    assert 10 < left_s < 21  # gRPC rounds up
    shorter = {DEADLINE: "15000"}
    answer = stub.ModelInfer(request, timeout=20, metadata=tuple(shorter.items()))
    assert 10 < objects(InferResponse.from_grpc(answer))["left_s"] <= 15


def test_grpc_says_what_an_unknown_model_and_missing_methods_are(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as unknown:
        stub.ModelInfer(tensors("other", key="a"))
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert json.loads(unknown.value.details())["type"] == "model_not_found"
    with pytest.raises(grpc.RpcError) as not_ready:
        stub.ModelReady(grpc_predict_v2_pb2.ModelReadyRequest(name="other"))
    assert not_ready.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as unload:
        stub.RepositoryModelUnload(
            grpc_predict_v2_pb2.RepositoryModelUnloadRequest(model_name="patient")
        )
    assert unload.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert json.loads(unload.value.details())["type"] == "not_implemented"


def test_raw_tensors_over_grpc_are_answered_with_raw_tensors(stub: Any) -> None:
    import numpy as np

    text = InferInput("key", [2], "BYTES")
    text.set_data_from_numpy(np.array(["a", "b"], dtype=object), binary_data=True)
    answer = stub.ModelInfer(InferRequest("patient", [text]).to_grpc())
    assert len(answer.raw_output_contents) == len(answer.outputs)
    keys = InferResponse.from_grpc(answer).outputs[0].as_numpy().tolist()
    assert keys == [b"a", b"b"]


def test_outputs_may_be_chosen(agent: Waiting) -> None:
    request = InferRequest(
        "patient",
        [InferInput("key", [1], "BYTES", ["a"])],
        request_outputs=[RequestedOutput("key")],
    )
    body, _ = request.to_rest()
    response = httpx.post(agent.url("/v2/models/patient/infer"), json=body)
    assert [output["name"] for output in response.json()["outputs"]] == ["key"]
    body["outputs"] = [{"name": "other"}]
    response = httpx.post(agent.url("/v2/models/patient/infer"), json=body)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/v1/models/other:predict", 404, "model_not_found"),
        ("POST", "/v2/models/other/infer", 404, "model_not_found"),
        ("GET", "/v1/models/other", 404, "model_not_found"),
        ("GET", "/v2/models/other/ready", 404, "model_not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/models/patient:predict", 404, "model_not_found"),
        ("DELETE", "/v1/models/patient:predict", 405, "method_not_allowed"),
        ("GET", "/v2/models/patient/infer", 405, "method_not_allowed"),
        ("POST", "/v2/health/ready", 405, "method_not_allowed"),
        ("POST", "/v1/models/patient:explain", 501, "not_implemented"),
        ("POST", "/v2/models/patient/versions/2/infer", 501, "not_implemented"),
        ("POST", "/v2/repository/models/patient/unload", 501, "not_implemented"),
        ("POST", "/v2/repository/models/patient/load", 501, "not_implemented"),
    ],
)
def test_what_is_not_there_is_refused_in_the_agents_form(
    agent: Waiting, method: str, path: str, status: int, kind: str
) -> None:
    body = {"inputs": [{"name": "key", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}
    headers = {"traceparent": TRACEPARENT}
    response = httpx.request(
        method, agent.url(path), headers=headers, json=body if method == "POST" else None
    )
    assert response.status_code == status, response.text
    assert (response.json()["type"], response.json()["trace_id"]) == (kind, TRACE)
    assert (response.status_code == 405) == ("allow" in response.headers)
    assert agent.predict({"key": "after"}).status_code == 200


DEEP = b"[" * 100_000
SURROGATE = b'{"key": "\xff"}'


@pytest.mark.parametrize(
    "body",
    [
        *(DEEP, DEEP + b"]" * 100_000, SURROGATE, b"\xff\xfe{", b"", b'{"key": NaN}'),
        b'{"inputs": [{"name": "key", "shape": [-1], "datatype": "BYTES", "data": ["a"]}]}',
        b'{"inputs": [{"name": "key", "shape": [1], "datatype": "NONE", "data": ["a"]}]}',
        b'{"inputs": [{"name": "key", "shape": [1000000000000, 0], "datatype": "FP32", "data": []}]}',
        b'{"inputs": [{"name": "key", "shape": [1, 1000000000000, 0], "datatype": "FP32", "data": []}]}',
    ],
    ids=[
        *("open", "nested", "not UTF-8", "binary", "empty", "NaN"),
        *("negative shape", "datatype", "many of nothing", "deep nothing"),
    ],
)
@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "text/xml", "multipart/form-data"],
)
@pytest.mark.parametrize("path", ["/v1/models/patient:predict", "/v2/models/patient/infer"])
def test_malformed_bodies_are_the_callers_fault(
    agent: Waiting, path: str, kind: str, body: bytes
) -> None:
    response = httpx.post(agent.url(path), content=body, headers={"content-type": kind})
    assert response.status_code == 400, response.text
    assert response.json()["type"] in ("bad_request", "missing_fields")


@pytest.mark.parametrize("length", ["x", "-1", "99999999", "3"])
def test_malformed_binary_tensors_are_the_callers_fault(agent: Waiting, length: str) -> None:
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": length,
    }
    for body in (b"{}", b'{"inputs": 1}', b'{"inputs": [{}]}', b"[]"):
        response = httpx.post(agent.url("/v2/models/patient/infer"), content=body, headers=headers)
        assert (response.status_code, response.json()["type"]) == (400, "bad_request")


def test_a_deep_text_in_a_tensor_is_the_callers_fault(agent: Waiting, stub: Any) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    request = {"name": "request", "shape": [1], "datatype": "BYTES", "data": [deep]}
    assert agent.infer(request).status_code == 400
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(tensors("patient", request=deep))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_texts_over_grpc_that_are_not_utf8_are_the_callers_fault(stub: Any) -> None:
    request = InferRequest("patient", [InferInput("key", [1], "BYTES", [b"\xff"])]).to_grpc()
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_many_streams_of_one_channel_are_answered(agent: Waiting) -> None:
    async def main() -> set[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{agent.grpc_port}") as channel:
            asynchronous = GRPCInferenceServiceStub(channel)
            requests = [tensors("patient", key=f"stream {number}") for number in range(50)]
            answers = await asyncio.gather(*map(asynchronous.ModelInfer, requests))
        return {objects(InferResponse.from_grpc(answer))["key"] for answer in answers}

    assert asyncio.run(main()) == {f"stream {number}" for number in range(50)}


def test_nothing_is_logged_of_requests(agent: Waiting) -> None:
    """After all that was asked here: no line of a request, no traceback, no exception."""
    assert {event["event"] for event in agent.events} <= {
        "loaded",
        "serving",
        "request_failed",
        "node_failed",
    }
    assert all(event["type"] == "timeout" for event in agent.named("node_failed"))
