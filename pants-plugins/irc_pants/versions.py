"""That compiler, runtime and plugin are of one version, by the locks of their resolves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pants.backend.python.subsystems.setup import PythonSetup
from pants.engine.fs import DigestContents, PathGlobs
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.strutil import bullet_list

from irc_pants.version import VERSION

COMPILER = "irc"
RUNTIME = "irc-runtime"

_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)", re.MULTILINE)


class VersionMismatchError(Exception):
    """Compiler, runtime and plugin are not of one version."""


@dataclass(frozen=True)
class LockedVersionsRequest:
    """What the lock of a resolve says of a distribution."""

    resolve: str
    distribution: str


@dataclass(frozen=True)
class LockedVersions:
    """The versions of a distribution in a lock; none where the lock has none, or is not there.

    Attributes:
        lock: the path of the lock.
    """

    resolve: str
    lock: str
    distribution: str
    versions: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return any(version != VERSION for version in self.versions)

    def __str__(self) -> str:
        found = " and ".join(self.versions) or "missing"
        return f"{found} in {self.lock}, the lock of the resolve `{self.resolve}`"


@rule
async def find_locked_versions(
    request: LockedVersionsRequest, python_setup: PythonSetup
) -> LockedVersions:
    lock = python_setup.resolves.get(request.resolve, "")
    contents = await Get(DigestContents, PathGlobs([lock] if lock else []))
    versions = (
        version
        for content in contents
        for name, version in locked_distributions(content.content.decode())
        if name == request.distribution
    )
    return LockedVersions(request.resolve, lock, request.distribution, tuple(sorted(set(versions))))


def locked_distributions(lock: str) -> Iterator[tuple[str, str]]:
    """Names, as PEP 503 compares them, and versions in a lock of Pants or a list with hashes."""
    text = re.sub(r"^//.*$", "", lock, flags=re.MULTILINE).lstrip()
    if not text.startswith("{"):
        for match in _LINE.finditer(text):
            yield normalized(match[1]), match[2]
        return
    for resolve in json.loads(text)["locked_resolves"]:
        for requirement in resolve["locked_requirements"]:
            yield normalized(requirement["project_name"]), requirement["version"]


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def check_versions(compiler: LockedVersions | None, runtime: LockedVersions | None) -> None:
    """Raise where one of the three differs.

    Args:
        compiler: None where it is code of the repository, as the plugin then is.
        runtime: the same.
    """
    locked = [found for found in (compiler, runtime) if found is not None and found.differs]
    if not locked:
        return
    code = "code of this repository"
    lines = [
        f"the plugin irc-pants: {VERSION}, by the option `[GLOBAL].plugins`",
        f"the compiler irc: {compiler or code}",
        f"the runtime irc-runtime: {runtime or code}",
    ]
    mends = [
        f"ask for `{found.distribution}=={VERSION}` in the requirements of the resolve"
        f" `{found.resolve}`, and make {found.lock} anew"
        for found in locked
    ]
    raise VersionMismatchError(
        "Plugin, compiler and runtime have to be of one version:\n\n"
        f"{bullet_list(lines)}\n\n"
        f"To mend it, {'; '.join(mends)}; or set `[GLOBAL].plugins` to the other version."
    )


def rules() -> Iterable[Rule]:
    return collect_rules()
