"""Starting a packaged agent as a process of its own, and talking to it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

# The environment of tests is scrubbed; these are the folders where a distribution puts podman,
# skopeo, runc and python3.11.
SEARCH_PATH = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"])
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
RUN_FLAGS = (
    "--rm",
    "--network=host",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
)


def tool(name: str) -> str | None:
    """The path of a program, or None where it is not installed."""
    return shutil.which(name, path=SEARCH_PATH)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class RunningAgent:
    """An agent that answers on the loopback.

    Attributes:
        model: the model's name in URLs.
        process: the process in the foreground: the agent, or the podman that runs it.
        log_file: everything that it wrote.
    """

    model: str
    port: int
    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def predict(self, request: Mapping[str, Any]) -> httpx.Response:
        """Send one request over the V1 protocol."""
        url = f"{self.base_url}/v1/models/{self.model}:predict"
        return httpx.post(url, json=request, timeout=60)

    def ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.base_url}/v1/models/{self.model}", timeout=5)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and bool(answer.json()["ready"])

    def wait_until_ready(self) -> None:
        """Wait for the model, and fail with the log when it ends or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready():
            status = self.process.poll()
            if status is not None:
                raise AssertionError(f"the agent ended with status {status}:\n{self.log}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the agent was not ready in time:\n{self.log}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Ask the agent to end, as Kubernetes does; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def running(
    command: Sequence[str],
    *,
    model: str,
    environment: Mapping[str, str],
    folder: Path,
) -> Iterator[RunningAgent]:
    """Run a command that serves the model, given KServe's flags, until the context ends."""
    port = free_port()
    log_file = folder / "agent.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--http_port={port}", "--enable_grpc=false"],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        agent = RunningAgent(model, port, process, log_file)
        try:
            agent.wait_until_ready()
            yield agent
        finally:
            if process.poll() is None:
                agent.stop()


@dataclass(frozen=True)
class Podman:
    """podman with a storage of its own, of which nothing is left behind."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": SEARCH_PATH, "HOME": str(self.folder), "TMPDIR": str(self.folder)}

    def command(self, *arguments: str) -> list[str]:
        runtime = tool("runc") or tool("crun") or "runc"
        return [
            tool("podman") or "podman",
            f"--root={self.folder / 'root'}",
            f"--runroot={self.folder / 'run'}",
            f"--runtime={runtime}",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            *arguments,
        ]

    def output(self, *arguments: str, cwd: Path | None = None) -> str:
        """What a podman command prints; fails with what it says on stderr."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout.strip()

    def pull(self, layout: Path) -> str:
        """Take the image of a layout folder into the storage; returns its id.

        podman makes an image name of the path, which must not hold capitals then: so the path is
        a relative one, as a user would give it.
        """
        return self.output("pull", "--quiet", f"oci:{layout.name}", cwd=layout.parent)

    def run_command(
        self, image: str, *, name: str, environment: Mapping[str, str], features: Path
    ) -> list[str]:
        """The command that runs an image hardened, with a folder of features at /features."""
        variables = [f"--env={key}={value}" for key, value in environment.items()]
        mount = f"--volume={features}:/features:ro"
        return self.command("run", f"--name={name}", *RUN_FLAGS, *variables, mount, image)


@contextmanager
def private_podman() -> Iterator[Podman]:
    """A podman whose storage is removed at the end.

    The folder is not below pytest's: podman refuses long paths for what it runs.
    """
    folder = Path(tempfile.mkdtemp(prefix="irc-e2e-"))
    podman = Podman(folder)
    try:
        yield podman
    finally:
        podman.output("rm", "--all", "--force")
        podman.output("rmi", "--all", "--force")
        if os.geteuid() != 0:  # layers of an ordinary user belong to ids of its user namespace
            podman.output("unshare", "rm", "--recursive", str(folder / "root"))
        mounted = folder / "root" / "overlay"
        if mounted.is_mount():  # what a podman that was killed leaves mounted
            subprocess.run(["umount", str(mounted)], env=podman.environment, check=True)
        shutil.rmtree(folder)
