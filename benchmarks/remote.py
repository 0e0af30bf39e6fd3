"""What a remote cache saves and remote execution costs: `package` of an agent with empty caches.

    ./pants package tests/remote:
    PYTHONPATH=. python3.11 benchmarks/remote.py

Everything happens in clones of HEAD in a temporary folder, which is removed at the end.
"""

import socket
import sys
import tempfile
from pathlib import Path

from checkout import Checkout, launcher_cache
from report import Row, row, table

from tests.remote.servers import CacheServer
from tests.remote.worker import Worker

AGENT = "flows/support:agent"
DIST = Path("dist/flows.support/agent")


def main() -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        print(table(measure(Path(temporary))))


def measure(folder: Path) -> list[Row]:
    """All figures.

    Raises:
        SystemExit: the packages are not the same bytes.
    """
    with CacheServer(folder / "server", free_port()).running() as cache:
        alone, alone_s = build(folder / "alone")
        first, first_s = build(folder / "first", *cache.options)
        second, second_s = build(folder / "second", *cache.options)
        with Worker(folder / "worker", free_port(), cache).running() as worker:
            executed, executed_s = build(folder / "executed", worker=worker)
    if not alone == first == second == executed:
        sys.exit("The image's digest is not the same everywhere.")
    return [
        row("package, empty caches, no remote cache", [alone_s], "s"),
        row("the same, which fills a remote cache", [first_s], "s", peer=[alone_s]),
        row("the same, from the remote cache", [second_s], "s", peer=[alone_s]),
        row("the same, by a worker of this machine", [executed_s], "s", peer=[alone_s]),
    ]


def build(folder: Path, *options: str, worker: Worker | None = None) -> tuple[bytes, float]:
    """Package in a new clone; gives what describes the image, and the seconds."""
    with Checkout(folder, launcher_cache()) as checkout:
        if worker is not None:
            options = (*options, worker.configure(checkout.root))
        seconds = checkout.timed(*options, "package", AGENT)
        return (checkout.root / DIST / "image.json").read_bytes(), seconds


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
