"""Repositories in which Pants runs with a home and caches of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent

#: Variables that would carry settings or state of the user's into the clone.
USERS_OWN = ("IRC_", "PANTS_", "PEX_", "PYTHON", "SOURCE_DATE_EPOCH", "XDG_")

#: Of the folder that a test or benchmark is started in: where daemons say which process they are. They
#: end when that file is gone, so none outlives the sandbox of a test that was given up.
PIDS = Path(".pids")

#: How long a daemon may take to end, in seconds.
STOPPING_S = 30.0


class Repository:
    """A repository whose Pants reads and writes nothing of the user's.

    A context manager: leaving it stops the daemon.

    Args:
        root: with `./pants`.
        folder: gets a home with all caches, and temporary files.
        launcher_cache: where ``./pants`` finds Pants itself; None lets it build Pants anew.
    """

    def __init__(self, root: Path, folder: Path, launcher_cache: Path | None = None) -> None:
        self.root = root
        home, temporary = folder / "home", folder / "tmp"
        for made in (home, temporary, PIDS):
            made.mkdir(parents=True, exist_ok=True)
        self._pids = Path(tempfile.mkdtemp(dir=PIDS.absolute()))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(USERS_OWN)},
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PANTS_PANTSRC": "false",
            "PANTS_SUBPROCESSDIR": str(self._pids),
        }
        if launcher_cache is not None:
            self.environment["PANTS_IRC_CACHE"] = str(launcher_cache)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_daemon()

    def pants(self, *arguments: str) -> str:
        """Run Pants; gives what it wrote to stdout.

        Raises:
            SystemExit: Pants failed; its own messages are shown.
        """
        run = subprocess.run(
            ["./pants", *arguments],
            cwd=self.root,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if run.returncode != 0:
            sys.stderr.write(run.stdout + run.stderr)
            raise SystemExit(f"./pants {' '.join(arguments)}: exit status {run.returncode}")
        return run.stdout

    def timed(self, *arguments: str) -> float:
        """Run Pants; gives the seconds from start to exit."""
        started = time.perf_counter()
        self.pants(*arguments)
        return time.perf_counter() - started

    def daemon(self) -> int | None:
        """The id of this repository's daemon, where one has been started."""
        for pid_file in self._pids.glob("*/pantsd/pid"):
            return int(pid_file.read_text())
        return None

    def stop_daemon(self) -> None:
        """Stop this repository's daemon, and wait until it has ended."""
        pid = self.daemon()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                for _ in range(int(STOPPING_S / 0.1)):
                    time.sleep(0.1)
                    os.kill(pid, 0)
        shutil.rmtree(self._pids, ignore_errors=True)


class Checkout(Repository):
    """A clone of HEAD.

    Args:
        folder: gets the clone, its home with all caches, and temporary files.
        launcher_cache: as of a `Repository`.
    """

    def __init__(self, folder: Path, launcher_cache: Path | None = None) -> None:
        super().__init__(folder / "repository", folder, launcher_cache)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.root)], check=True)


def launcher_cache() -> Path:
    """Where ``./pants`` keeps Pants for this user, as the script itself says."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("PANTS_IRC_CACHE") or caches / "irc")
