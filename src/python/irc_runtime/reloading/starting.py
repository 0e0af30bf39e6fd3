"""How a served agent becomes its supervisor, with the flags that say so."""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from irc_runtime.reloading.oci_layout import ImageLayout
from irc_runtime.reloading.sources import CodeFolder, LinkedCode, Source
from irc_runtime.reloading.version import VERSION_FILE, VersionError

if TYPE_CHECKING:
    # Processes of their own, which import statements lead to an agent's package as all else.
    import irc_runtime.reloading.__main__
    import irc_runtime.reloading.worker  # noqa: F401  # as said above

LAYOUT = "oci:"
LINK = "link:"


def source_of(place: str, module: str) -> Source:
    """The source that ``--reload_from`` names: a folder, ``oci:`` a layout, ``link:`` a link."""
    if place.startswith(LAYOUT):
        return ImageLayout(Path(place.removeprefix(LAYOUT)))
    if place.startswith(LINK):
        return LinkedCode(Path(place.removeprefix(LINK)), module)
    return CodeFolder(Path(place))


def become_supervisor(listener: socket.socket, place: str, flags: Sequence[str]) -> NoReturn:
    """Replace this process by its supervisor, which has the same number and takes a few megabytes.

    Args:
        listener: REST's socket, bound and not listening.
        place: where new versions come from.
        flags: of the agent.
    Raises:
        VersionError: the agent was not packaged, so that no version could be compared with it.
    """
    main = sys.modules["__main__"].__spec__
    module = "" if main is None else main.name
    if not place.startswith(LINK) and not any(Path(x, VERSION_FILE).is_file() for x in sys.path):
        raise VersionError(
            f"the agent has no {VERSION_FILE}, by which versions are compared",
            "serve what './pants package' made",
        )
    listener.set_inheritable(True)
    own = [f"--http_fd={listener.fileno()}", f"--reload_from={place}", f"--module={module}"]
    search_path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-P", "-m", "irc_runtime.reloading", *own, *flags]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": search_path})
