"""The code of an agent: what it is made of, and the layer of what is the flow's own.

First-party code that flows share lies below it, so that an edit of a flow moves the top layer alone.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irc.oci.blobs import Layer
from irc.oci.compression import GZIP_LEVEL_SMALLEST
from irc.oci.errors import ImageError
from irc.oci.layer import disk_file, write_layer
from irc.package.agent import Agent

APP = "opt/agent/app"

Files = Mapping[str, Path]


@dataclass(frozen=True)
class Code:
    """Files by path from the source root, in the order of paths."""

    shared: Files
    flow: Files

    @property
    def all(self) -> Files:
        return dict(sorted({**self.shared, **self.flow}.items()))


def read_code(agent: Agent, generated: Path, sources: Path) -> Code:
    """Find what is generated of an agent, and the first-party files that it needs.

    Raises:
        ImageError: a generated file is missing, or a first-party file has its place.
    """
    flow: dict[str, Path] = {}
    for name in agent.sources:
        if not (generated / name).is_file():
            raise ImageError(f"{generated}: {name} is missing: compile {agent.flow} first")
        flow[name] = generated / name
    shared: dict[str, Path] = {}
    flow_file = str(agent.folder / PurePosixPath(agent.flow).name)
    for path in sorted(sources.rglob("*")):
        name = path.relative_to(sources).as_posix()
        if not path.is_file() or name == flow_file:
            continue
        if name in flow:
            raise ImageError(f"{name} is generated from {agent.flow}, and a source file as well")
        own = agent.folder.parts and PurePosixPath(name).is_relative_to(agent.folder)
        (flow if own else shared)[name] = path
    return Code(shared, dict(sorted(flow.items())))


def copy_documents(agent: Agent, generated: Path, sources: Path, output: Path) -> None:
    """Put the generated files and the flow side by side, as a reader wants them."""
    output.mkdir(parents=True, exist_ok=True)
    flow = str(agent.folder / PurePosixPath(agent.flow).name)
    candidates = [generated / name for name in agent.documents]
    for path in (*candidates, sources / flow):
        if path.is_file():
            shutil.copyfile(path, output / path.name)


def write_flow_layer(root: Path, code: Code) -> Layer:
    """Sources alone: the layer moves with every edit, and compiling them takes milliseconds."""
    entries = (disk_file(f"{APP}/{name}", path) for name, path in code.flow.items())
    return write_layer(
        root,
        entries,
        gzip_level=GZIP_LEVEL_SMALLEST,
        # The layer of shared code, where there is any, has the folder and those above it.
        present=_parents(APP) if code.shared else (),
    )


def _parents(folder: str) -> tuple[str, ...]:
    """A folder and those that it lies in."""
    return (folder, *map(str, PurePosixPath(folder).parents))


def files_digest(files: Files) -> str:
    """Over the digests of files by their paths; byte code does not count."""
    lines = (
        f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n"
        for name in sorted(files)
        if not name.endswith(".pyc")
    )
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
