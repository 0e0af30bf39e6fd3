"""Running a packaged image for a local try, with as few rights as it has in a cluster."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from irc.oci.conventions import PORT
from irc.oci.errors import ImageError

ENGINES = ("podman", "docker")

_LOCKED_DOWN = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")


@dataclass(frozen=True)
class Container:
    """A try of an image.

    Attributes:
        package: what ``package`` has written for an agent.
        port: of this machine, on the loopback.
        environment: ``NAME=value``, or ``NAME`` for this process's own value.
        volumes: ``folder:place[:ro]``.
        arguments: for the agent.
    """

    package: Path
    port: int
    environment: Sequence[str] = ()
    volumes: Sequence[str] = ()
    arguments: Sequence[str] = ()


def installed_engine() -> str:
    """The first engine that there is.

    Raises:
        ImageError: there is none.
    """
    for engine in ENGINES:
        if shutil.which(engine):
            return engine
    raise ImageError(f"running an image needs {' or '.join(ENGINES)}, and neither is installed")


def load(engine: str, package: Path) -> str:
    """Take the image into the engine's storage.

    Returns:
        What the engine knows it by.
    Raises:
        ImageError: there is no image, or the engine does not take it.
    """
    if not (package / "image" / "index.json").is_file():
        raise ImageError(f"{package} holds no image: package the agent first")
    if engine == "docker":
        name = f"irc-run/{package.absolute().parent.name}-{package.name}:latest".lower()
        _run(package, "skopeo", "copy", "--quiet", "oci:image", f"docker-daemon:{name}")
        return name
    # podman makes a name of the path, which must not hold capitals then: so it is a relative one.
    return _run(package, "podman", "pull", "--quiet", "oci:image")


def run_command(engine: str, image: str, container: Container) -> list[str]:
    """The command that runs an image in the foreground, and leaves nothing behind."""
    # podman would put writable folders over /tmp and others.
    of_engine = ("--read-only-tmpfs=false",) if engine == "podman" else ()
    return [
        engine,
        "run",
        "--rm",
        *_LOCKED_DOWN,
        *of_engine,
        f"--publish=127.0.0.1:{container.port}:{PORT}",
        *(f"--env={variable}" for variable in container.environment),
        *(f"--volume={volume}" for volume in container.volumes),
        image,
        *container.arguments,
    ]


def _run(folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError(f"running an image needs {command[0]}, which is not installed") from None
    if done.returncode != 0:
        raise ImageError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
