"""A remote cache on the loopback: BuildGrid, with its blobs on disk."""

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.standins.server_process import ServerProcess

INSTANCE = "main"
START_TIMEOUT_S = 180.0
PATIENCE_S = 10

# Where distributions put python3.11.
_SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"

# Where Pants lays packages for a test, and where `./pants package` leaves them.
_PACKAGES = (Path.cwd() / "tests.remote", Path.cwd() / "dist" / "tests.remote")

_CONFIGURATION = """\
server:
  - !channel
    address: "127.0.0.1:{port}"
    insecure-mode: true
authorization: {{method: none}}
storages:
  - !disk-storage &blobs
    path: {folder}
caches:
  - !lru-action-cache &results
    storage: *blobs
    max-cached-refs: 10000
    allow-updates: true
    cache-failed-actions: false
instances:
  - name: {instance}
    services:
      - !cas {{storage: *blobs}}
      - !bytestream {{storage: *blobs}}
      - !action-cache {{cache: *results}}
# More than Pants sends at once: 128 requests each for blobs and for results.
thread-pool-size: 300
"""


def packaged(name: str) -> Path:
    """A package of this folder's BUILD file."""
    for folder in _PACKAGES:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name}: run ./pants package tests/remote:")


class CacheServer(ServerProcess):
    """A process of BuildGrid; it has the same port and blobs however often it starts.

    Args:
        folder: where its configuration, its log and its blobs go.
        port: of the loopback.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.blobs = folder / "blobs"
        self.blobs.mkdir(parents=True)
        self._log = folder / "server.log"
        self._configuration = folder / "cache.yml"
        self._configuration.write_text(
            _CONFIGURATION.format(port=port, folder=self.blobs, instance=INSTANCE)
        )

    @property
    def options(self) -> tuple[str, ...]:
        """What makes Pants use it."""
        return self.options_at(self.port)

    @staticmethod
    def options_at(port: int) -> tuple[str, ...]:
        """What makes Pants use it by another port."""
        return (
            "--remote-cache-read",
            "--remote-cache-write",
            f"--remote-store-address=grpc://127.0.0.1:{port}",
            f"--remote-instance-name={INSTANCE}",
            # What is still being written when a build ends is else given up after 3 s, and a lookup
            # after 1.5 s: enough on a machine that does nothing besides.
            f"--session-end-tasks-timeout={PATIENCE_S}",
            f"--remote-cache-rpc-timeout-millis={PATIENCE_S * 1000}",
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    packaged("buildgrid.pex") / "__main__.py",
                    *("server", "start", self._configuration),
                ],
                env={"HOME": os.environ["HOME"], "PATH": _SEARCH_PATH},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise RuntimeError(self._log.read_text(encoding="utf-8"))
