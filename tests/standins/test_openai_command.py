"""The OpenAI stand-in as a command: what it prints, and how it ends."""

import os
import re
import subprocess
import sys
from typing import Any

import openai
import pytest

from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_transcript import transcript
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply

MESSAGES: Any = [
    {"role": "system", "content": "Be brief.\nBe kind."},
    {"role": "user", "content": 'Where is "it"?'},
]


def command(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.standins.openai_server", *arguments],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_requests_are_printed_as_text() -> None:
    with command("--answer", '{"text": "Here."}') as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip().partition("=")[2]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", address)
            with openai.OpenAI(base_url=address, api_key="any", max_retries=0) as client:
                client.chat.completions.create(model="m", messages=MESSAGES, timeout=30)
        finally:
            server.terminate()
        printed = server.stdout.read()
    assert printed == (
        "=== request 1, model m\n"
        "--- system\nBe brief.\nBe kind.\n"
        '--- user\nWhere is "it"?\n'
        '--- answer\n{"text": "Here."}\n\n'
    )


def test_a_taken_port_is_told_in_one_line() -> None:
    with OpenAIServer() as other, command("--port", str(other.port)) as server:
        printed, complaint = server.communicate(timeout=30)
    assert server.returncode == 1
    assert printed == ""
    assert complaint == (
        f"cannot listen on port {other.port}: Address already in use; choose another --port\n"
    )


@pytest.mark.parametrize(
    ("reply", "heading"),
    [
        (Answer("x", delay_s=0.5), "--- answer after 0.5 s\nx"),
        (Answer(tool_calls=[("look_up", {"id": 1})]), '--- answer\n[["look_up", {"id": 1}]]'),
        (Failure(503), "--- answer: status 503, scripted failure"),
        (Malformed(), "--- answer: no JSON"),
        (CutConnection(), "--- answer: cut off"),
    ],
)
@pytest.mark.parametrize("body", [None, [], {}, {"messages": 1}, {"messages": [1]}])
def test_whatever_comes_has_a_transcript(reply: Reply, heading: str, body: Any) -> None:
    assert transcript(2, body, reply) == f"=== request 2, model None\n{heading}\n"
