"""A server of its own process for tests, which can stand still and die."""

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class ServerProcess(ABC):
    """A server that has the same address however often it starts."""

    _process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start, and wait until it answers."""

    def pause(self) -> None:
        """Stand still until ``resume``: connections are made and kept, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on, with all that has come meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End at once, as a machine does that loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def running(self) -> Iterator[Self]:
        """The server, for the length of the block."""
        self.start()
        try:
            yield self
        finally:
            self.kill()
