"""A version of the agent in a process of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from irc_runtime.reloading.version import Version

WORKER = "irc_runtime.reloading.worker"
READ_BYTES = 65536


class Child:
    """A process that loads a version, and then waits to be told to serve and to hand over.

    Attributes:
        version: what it runs.
        started_s: when it was started, by ``time.monotonic``.
        told: what it said of itself when it was ready.
        status: how it ended, negative by a signal; None while it runs.
        is_closed: whether it will say nothing more.
    """

    def __init__(
        self,
        version: Version,
        search_path: Sequence[str],
        listener: socket.socket,
        flags: Sequence[str],
    ) -> None:
        """Start it.

        Args:
            search_path: where modules are found that are not the version's own.
            listener: the socket of REST, which it takes connections from.
            flags: of the worker.
        """
        self.version = version
        self.started_s = time.monotonic()
        self.told: dict[str, Any] = {}
        self.status: int | None = None
        self.is_closed = False
        self._received = b""
        self.control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", WORKER, *flags),
                    *(f"--module={version.module}", f"--control={theirs.fileno()}"),
                    *(["--check_cases"] if version.is_copy else []),  # others serve as they are
                    f"--http_fd={listener.fileno()}",
                ],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(version.folder), *search_path]),
                },
                cwd=version.folder if version.is_copy else None,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), listener.fileno()),
                start_new_session=True,  # signals go to the supervisor, which passes them on
            )
        self.control.setblocking(False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it has said since the last call; nothing once it is gone."""
        try:
            while data := self.control.recv(READ_BYTES):
                self._received += data
            self.is_closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.is_closed = True
        *lines, self._received = self._received.split(b"\n")
        yield from map(json.loads, lines)

    def tell(self, order: str) -> None:
        """Give it an order; one that is gone does not hear it."""
        try:
            self.control.send(f"{order}\n".encode())
        except OSError:
            pass

    def ended(self, status: int) -> None:
        """Note how it ended, and clean up what it has left."""
        self.status = self._process.returncode = status
        self.control.close()

    def send(self, number: int) -> None:
        """Pass a signal on."""
        if self.status is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, and what it has started."""
        if self.status is None:
            os.killpg(self.pid, signal.SIGKILL)


def discard(version: Version) -> None:
    """Delete a version's private copy."""
    if version.is_copy:
        shutil.rmtree(version.folder, ignore_errors=True)
