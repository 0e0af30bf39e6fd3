"""A flow whose target is AWS Lambda, run by Lambda's own runtime client for Python."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.irc.compiling import generated
from tests.standins.lambda_api import LambdaApi, lambda_api

FLOW = """\
version: "1.0"
metadata: {name: counter}
context: {requires: [word]}
nodes:
  count:
    inputs: [{name: word, type: string}]
    outputs: [{name: answer, type: object}]
    runtime: {timeout_ms: 60000}
    transform:
      mode: code
      spec: |
        import asyncio
        from datetime import UTC, datetime

        seen = []


        async def transform(inputs, context, state):
            if inputs["word"] == "sleep":
                await asyncio.Event().wait()
            if inputs["word"] == "fail":
                raise ValueError("what is secret")
            seen.append(asyncio.get_running_loop())
            return {
                "answer": {
                    "word": inputs["word"],
                    "calls": len(seen),
                    "loops": len(set(seen)),
                    "at": datetime(2030, 1, 2, tzinfo=UTC),
                    "trace": context.trace_id,
                }
            }
edges:
  - {from: _input.word, to: count}
  - {from: count, to: _output}
deployment: {target: lambda}
"""

NEEDY = """\
version: "1.0"
metadata: {name: needy}
nodes:
  read:
    outputs: [{name: value, type: object}]
    transform:
      mode: declarative
      spec: {op: io.format_response, args: {template: {value: "${env.NOT_SET}"}}}
edges:
  - {from: read, to: _output}
deployment: {target: lambda}
"""


@contextmanager
def function(folder: Path, flow: str, timeout_s: float = 30.0) -> Iterator[LambdaApi]:
    """The function of a flow, in a process of its own."""
    (folder / "agent.py").write_text(generated(flow))
    with lambda_api(timeout_s) as api, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "agent.handler"],
            cwd=folder,
            env={
                **os.environ,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "PYTHONPATH": os.pathsep.join([str(folder), *map(os.path.abspath, sys.path)]),
            },
            stdout=log,
            stderr=log,
        )
        try:
            yield api
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaApi]:
    with function(tmp_path_factory.mktemp("counter"), FLOW) as api:
        yield api


def function_url(body: str, **more: Any) -> dict[str, Any]:
    """The event of a function URL, or of an HTTP API: payload version 2.0."""
    return {
        "version": "2.0",
        "rawPath": "/",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/"}},
        "isBase64Encoded": False,
        "body": body,
        **more,
    }


def asked(api: LambdaApi, event: dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON body of the answer to an event of HTTP."""
    outcome = api.invoke(event)
    assert outcome.kind == "response"
    assert outcome.document["headers"] == {"content-type": "application/json"}
    return outcome.document["statusCode"], json.loads(outcome.document["body"])


def test_an_event_is_the_request(counter: LambdaApi) -> None:
    outcome = counter.invoke({"word": "a", "trace_id": "t"})
    assert outcome.kind == "response"
    assert outcome.document["word"] == "a"
    assert outcome.document["at"] == "2030-01-02T00:00:00+00:00"
    assert outcome.document["trace"] == "t"


def test_all_events_of_a_container_share_agent_and_loop(counter: LambdaApi) -> None:
    before = counter.invoke({"word": "a"}).document
    after = counter.invoke({"word": "a"}).document
    assert after["calls"] == before["calls"] + 1
    assert after["loops"] == 1


def test_a_function_url_carries_the_request_as_its_body(counter: LambdaApi) -> None:
    status, body = asked(counter, function_url('{"word": "b"}'))
    assert (status, body["word"]) == (200, "b")


def test_a_body_may_be_base64(counter: LambdaApi) -> None:
    encoded = base64.b64encode('{"word": "é"}'.encode()).decode()
    status, body = asked(counter, function_url(encoded, isBase64Encoded=True))
    assert (status, body["word"]) == (200, "é")
    status, body = asked(counter, function_url("?", isBase64Encoded=True))
    assert (status, body["reason"]) == (400, "the request's body is not base64")


def test_a_rest_api_has_headers_in_any_case(counter: LambdaApi) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    event = {
        "httpMethod": "POST",
        "path": "/",
        "headers": {"Traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
        "requestContext": {"stage": "prod"},
        "body": '{"word": "c"}',
        "isBase64Encoded": False,
    }
    status, body = asked(counter, event)
    assert (status, body["trace"]) == (200, trace)


def test_instances_are_predicted_as_kserve_does(counter: LambdaApi) -> None:
    status, body = asked(counter, function_url('{"instances": [{"word": "d"}, {"word": "e"}]}'))
    assert status == 200
    assert [item["word"] for item in body["predictions"]] == ["d", "e"]


@pytest.mark.parametrize(
    ("body", "status", "kind", "reason"),
    [
        ("{}", 400, "missing_fields", "missing required fields: word"),
        ("", 400, "bad_request", "the request is not JSON"),
        ("[1]", 400, "bad_request", "the request is not a JSON object"),
        ('{"word": "fail"}', 500, "error", "ValueError in agent:25"),
    ],
)
def test_errors_are_those_of_a_served_agent(
    counter: LambdaApi, body: str, status: int, kind: str, reason: str
) -> None:
    told, error = asked(counter, function_url(body))
    assert (told, error["type"], error["reason"]) == (status, kind, reason)
    assert len(error["trace_id"]) == 32


def test_a_direct_invocation_that_fails_counts_as_failed(counter: LambdaApi) -> None:
    outcome = counter.invoke({"word": "fail", "trace_id": "t"})
    assert outcome.kind == "error"
    assert outcome.document["errorType"] == "InvocationError"
    body = json.loads(outcome.document["errorMessage"])
    assert (body["type"], body["node"], body["trace_id"]) == ("error", "count", "t")
    assert "what is secret" not in json.dumps(outcome.document)


def test_the_time_of_the_function_bounds_the_request(tmp_path: Path) -> None:
    with function(tmp_path, FLOW, timeout_s=0.6) as api:
        status, error = asked(api, function_url('{"word": "sleep"}'))
    assert (status, error["type"]) == (504, "timeout")


def test_an_agent_that_cannot_be_loaded_fails_the_initialisation(tmp_path: Path) -> None:
    with function(tmp_path, NEEDY) as api:
        outcome = api.outcome()
    assert outcome.kind == "init"
    assert outcome.document["errorType"] == "LoadError"
    assert "NOT_SET" in outcome.document["errorMessage"]
    events = [
        json.loads(line)
        for line in (tmp_path / "log").read_text().splitlines()
        if line.startswith("{")
    ]
    assert [item["event"] for item in events] == ["load_failed"]


def test_the_module_can_be_imported_without_loading(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(generated(NEEDY))
    program = "import sys, agent; print('kserve' in sys.modules, agent.handler._agent)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *map(os.path.abspath, sys.path)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False None\n"
