"""Agents in processes of their own, on the real KServe server."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.irc_runtime import support_agent, waiting_agents

START_TIMEOUT_S = 60


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(
    is_so: Callable[[], Any], why: Callable[[], Any] = lambda: "", within_s: float = 30
) -> Any:
    """Wait until something is so, and return it; a test that waits in vain fails."""
    deadline = time.monotonic() + within_s
    while not (found := is_so()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.01)
    return found


class InBackground:
    """What comes of a call in a thread."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self._value = error

    def get(self) -> Any:
        """The result, or the exception, once it is there."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self._value


class Served:
    """A process that serves an agent, the support agent if no other is named."""

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        *flags: str,
        module: str = support_agent.__name__,
        name: str = "support",
        listener: socket.socket | None = None,
    ) -> None:
        self.name = name
        self.flags = flags
        self.port = listener.getsockname()[1] if listener else free_port()
        self.log_file = folder / f"agent-{uuid.uuid4().hex}.log"
        if listener is not None:
            flags = (*flags, f"--http_fd={listener.fileno()}")
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", module),
                    *(f"--http_port={self.port}", "--enable_grpc=false", *flags),
                ],
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
                stderr=log,
                process_group=0,
                pass_fds=[listener.fileno()] if listener else [],
            )

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                if httpx.get(self.url(f"/v1/models/{self.name}")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def wait_for_event(self, name: str, number: int = 1) -> dict[str, Any]:
        """The first event of that name, or another, once it is there."""
        until(lambda: len(self.named(name)) >= number, lambda: self.log, START_TIMEOUT_S)
        return self.named(name)[number - 1]

    def predict(self, body: Any, **options: Any) -> httpx.Response:
        return httpx.post(
            self.url(f"/v1/models/{self.name}:predict"), json=body, timeout=30, **options
        )

    def infer(self, *tensors: dict[str, Any], **options: Any) -> httpx.Response:
        return httpx.post(
            self.url(f"/v2/models/{self.name}/infer"),
            json={"inputs": tensors},
            timeout=30,
            **options,
        )

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        whole, _, _ = self.log.rpartition("\n")  # the last line may be on its way
        return [json.loads(line) for line in whole.splitlines()]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of that name."""
        return [event for event in self.events if event.get("event") == name]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()


class Waiting(Served):
    """A process that serves one of ``waiting_agents``.

    Attributes:
        grpc_port: where it takes gRPC.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        name: str = "patient",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.journal_file = folder / f"journal-{uuid.uuid4().hex}.txt"
        self.journal_file.touch()
        self.grpc_port = free_port()
        super().__init__(
            {
                "PATH": os.environ["PATH"],
                "AGENT": name,
                "JOURNAL": str(self.journal_file),
                **(environment or {}),
            },
            folder,
            *("--enable_grpc=true", f"--grpc_port={self.grpc_port}", *flags),
            module=waiting_agents.__name__,
            name=name,
        )

    def journal(self, word: str) -> list[str]:
        """The keys that the agent has begun, done or cancelled, in that order."""
        lines = [line.split(" ", 1) for line in self.journal_file.read_text().splitlines()]
        return [key for said, key in lines if said == word]


@contextmanager
def waiting(folder: Path, *flags: str, **options: Any) -> Iterator[Waiting]:
    """One of ``waiting_agents``, ready; killed at the end if it still runs."""
    agent = Waiting(folder, *flags, **options)
    try:
        agent.wait_until_ready()
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.process.terminate()
            try:
                agent.process.wait(20)
            finally:
                agent.process.kill()
