"""A real Redis for tests: on the loopback, with nothing kept on disk."""

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotYet
from redis.retry import Retry

from tests.standins.server_process import ServerProcess

#: Pants starts tests with a PATH of its own.
COMMAND = shutil.which("redis-server", path="/usr/local/bin:/usr/bin:/bin")

#: Below those that the kernel gives away by itself, so that a port is still free at a restart.
PORTS = range(20_000, 32_000)


class RedisServer(ServerProcess):
    """A process of redis-server; it has the same port however often it starts.

    Args:
        folder: where its log goes.
        options: of redis-server's command line, besides those that it always gets.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._log = folder / "redis.log"
        self._options = options
        self.port = free_port()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        """A client that does not try again."""
        return Redis(port=self.port, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert COMMAND is not None
        own = {"--sentinel", "--appendonly"}.intersection(self._options)
        kept = [] if own else ["--save", "", "--appendonly", "no"]
        command = [
            COMMAND, *self._options, "--bind", "127.0.0.1", "--port", str(self.port),
            "--dir", str(self._log.parent), "--logfile", str(self._log), *kept,
        ]  # fmt: skip
        self._process = subprocess.Popen(command)
        with self.client() as client:
            while self._process.poll() is None:
                with suppress(NotYet):
                    client.ping()
                    return
                time.sleep(0.01)
        raise RuntimeError(self._log.read_text(encoding="utf-8"))


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server for the length of the block; skips the test where there is no redis-server."""
    if COMMAND is None:
        pytest.skip("redis-server is not installed")
    with RedisServer(folder, *options).running() as server:
        yield server


def free_port() -> int:
    """A port that nothing listens on, and that stays so for a while."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no port is free in {PORTS}")
