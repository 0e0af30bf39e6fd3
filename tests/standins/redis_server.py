"""A real Redis for tests: on a free port of the loopback, with nothing kept on disk."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NotYet
from redis.retry import Retry

#: Pants starts tests with a PATH of its own.
COMMAND = shutil.which("redis-server", path="/usr/local/bin:/usr/bin:/bin")

#: Questions, 20 ms apart, until a server that was started has to answer.
QUESTIONS = 500


class RedisServer:
    """A process of redis-server; it always has the same port.

    Args:
        folder: where its log goes.
        options: further options of its command line.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        """A client that waits for the server to answer."""
        return Redis(
            port=self.port,
            decode_responses=True,
            retry=Retry(ConstantBackoff(0.02), QUESTIONS, (NotYet,)),
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert COMMAND is not None
        command = [
            COMMAND, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder),
            "--logfile", "redis.log", "--save", "", "--appendonly", "no", *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen(command)
        with self.client() as client:
            client.ping()

    def kill(self) -> None:
        """End at once, as a machine does that loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server for the length of the block; skips the test where there is no redis-server."""
    if COMMAND is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
