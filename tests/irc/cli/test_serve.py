"""``irc serve``: a real server that follows the edits of a real file."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.irc.cli.calling import environment, run

START_TIMEOUT_S = 90

FLOW = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [query]}
nodes:
  say:
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: object}]
    transform: {mode: code, spec: {file: saying.py}}
edges: [{from: _input.query, to: say}, {from: say, to: _output}]
"""
CODE = """\
def transform(inputs, context, state):
    return {"text": {"said": "first " + inputs["query"]}}
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Served:
    """``irc serve`` as a process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log_file = folder / "log.txt"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "irc", "serve", "flow.yaml", f"--http-port={self.port}"],
                cwd=folder, env=environment(), stderr=log,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.log.count(text) < times:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def ask(self) -> Any:
        url = f"http://127.0.0.1:{self.port}/v1/models/sample:predict"
        return httpx.post(url, json={"query": "hi"}, timeout=30).json()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.yaml").write_text(FLOW)
    (tmp_path / "saying.py").write_text(CODE)
    return tmp_path


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    server = Served(folder)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(START_TIMEOUT_S)


def test_edits_are_followed_and_broken_ones_are_not(served: Served, folder: Path) -> None:
    served.wait_for('"event": "serving"')
    assert served.ask() == {"said": "first hi"}

    (folder / "saying.py").write_text(CODE.replace("first", "second"))
    served.wait_for("the new version takes over")
    served.wait_for('"event": "serving"', times=2)
    assert served.ask() == {"said": "second hi"}

    (folder / "flow.yaml").write_text(FLOW.replace("from: say,", "from: sai,"))
    served.wait_for("the former version still answers")
    assert "error[E301]" in served.log
    assert served.ask() == {"said": "second hi"}

    # It compiles, and does not load.
    (folder / "flow.yaml").write_text(FLOW)
    (folder / "saying.py").write_text("raise RuntimeError('not today')\n" + CODE)
    served.wait_for("RuntimeError: not today")
    served.wait_for("the former version still answers", times=2)
    assert served.ask() == {"said": "second hi"}

    (folder / "saying.py").write_text(CODE.replace("first", "third"))
    served.wait_for('"event": "serving"', times=3)
    assert served.ask() == {"said": "third hi"}

    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(START_TIMEOUT_S) == 0
    with pytest.raises(httpx.ConnectError):
        served.ask()
    assert not [name for name in os.listdir(folder) if name == "__pycache__"]


def test_flow_that_is_broken_from_the_start_is_not_served(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "flow.yaml").write_text(FLOW.replace("from: say,", "from: sai,"))
    done = run("serve", "flow.yaml")
    assert done.returncode == 1
    assert "error[E301]" in done.stderr


def test_taken_port_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        done = run("serve", "flow.yaml", "--http-port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "port_taken" in done.stderr
