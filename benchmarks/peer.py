"""A peer in a virtual environment of its own, which takes nothing of the user's."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checkout import USERS_OWN

#: What belongs to each peer: `<peer>.lock`, and a folder with flows.
PEERS = Path(__file__).resolve().parent / "peers"

#: How a flow is given to the peer's own check; `{python}`, `{bin}` and `{flow}` are filled in.
#: Where the flow is Python, building it is the check, as each peer's documentation has it.
CHECKS = {
    "promptflow": ("{bin}/pf", "flow", "validate", "--source", "{flow}"),
    "langgraph": ("{python}", "{flow}"),
    "haystack": ("{python}", "{flow}"),
    "kfp": ("{python}", "{flow}"),
    "pyagentspec": ("{python}", "{flow}"),
}


class NotInstalledError(Exception):
    """The peer cannot be installed; the text says why."""


@dataclass(frozen=True)
class Run:
    """What a command said and cost."""

    ok: bool
    output: str
    cpu_s: float
    memory_mb: float


class Peer:
    """A peer, ready to check flows.

    Args:
        name: as in `CHECKS`.
        folder: gets the environment, a home, and a copy of the peer's flows.
    Raises:
        NotInstalledError: its lock cannot be installed here.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self._bin = folder / f"{name}-env" / "bin"
        home = folder / f"{name}-home"
        home.mkdir(parents=True)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(USERS_OWN)},
            "HOME": str(home),
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            "LANGSMITH_TRACING": "false",
            "PYTHONWARNINGS": "ignore",
        }
        _turn_off_telemetry_of_promptflow(home)
        self._install()
        shutil.copytree(PEERS / name, self.folder)

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self._bin / "python"

    @property
    def version(self) -> str:
        """`name==version` of the distribution."""
        return version(self.name)

    def check(self, flow: Path) -> Run:
        """Run the peer's own check."""
        return self.run(*CHECKS[self.name], flow=flow)

    def run(self, *command: str, flow: Path) -> Run:
        """Run a command of the environment, in the peer's folder."""
        places = {"bin": str(self._bin), "python": str(self._bin / "python"), "flow": str(flow)}
        arguments = [part.format(**places) for part in command]
        log = self.folder.parent / f"{self.name}.txt"
        return run(arguments, self.environment, self.folder, log)

    def _install(self) -> None:
        uv = shutil.which("uv")
        if uv is None:
            raise SystemExit("uv is not on PATH: pip install -r 3rdparty/python/uv.lock")
        environment = str(self._bin.parent)
        lock = str(PEERS / f"{self.name}.lock")
        python = str(self._bin / "python")
        for arguments in (
            ("venv", "--python", sys.executable, environment),
            ("pip", "install", "--python", python, "--require-hashes", "--requirement", lock),
        ):
            done = subprocess.run(
                [uv, *arguments, "--quiet", "--no-config"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise NotInstalledError(" ".join(done.stderr.split()))


def version(name: str) -> str:
    """`name==version` of a peer's distribution, as its lock says."""
    distribution = (PEERS / f"{name}.txt").read_text().strip()
    lock = (PEERS / f"{name}.lock").read_text()
    found = re.search(rf"^{re.escape(distribution)}==\S+", lock, re.MULTILINE)
    assert found is not None, f"{name}.lock does not hold {distribution}"
    return found[0]


def run(arguments: list[str], environment: Mapping[str, str], folder: Path, log: Path) -> Run:
    """Run a command to its end: what it wrote, with its descendants' CPU time and peak memory.

    Args:
        folder: where it runs.
        log: gets what it writes.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        process.returncode == 0,
        log.read_text(errors="replace"),
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
    )


def _turn_off_telemetry_of_promptflow(home: Path) -> None:
    settings = home / ".promptflow" / "pf.yaml"
    settings.parent.mkdir()
    settings.write_text("telemetry:\n  enabled: 'false'\n")
