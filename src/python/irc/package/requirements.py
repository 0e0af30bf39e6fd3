"""Hashed requirements, cut to what an agent carries."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from irc.oci.distributions import normalized_name
from irc.oci.errors import ImageError


@dataclass(frozen=True)
class LockedRequirement:
    """One requirement of a lock file with its hashes; ``text`` as it stands there, ``marker`` of PEP 508."""

    name: str
    version: str
    text: str
    marker: str = ""


def locked_requirements(lock: str) -> Iterator[LockedRequirement]:
    """The requirements of a lock, without the addresses of indexes.

    Args:
        lock: a list for pip, in which a requirement goes on while its lines end in a backslash; or
            JSON as `pex3 lock` writes it, below a header of `//` lines, which Pants puts there.
    """
    document = re.sub(r"^//.*$", "", lock, flags=re.MULTILINE).lstrip()
    if document.startswith("{"):
        yield from _locked_by_pex(json.loads(document))
        return
    pending: list[str] = []
    for line in lock.splitlines():
        text = line.strip()
        if not pending and (not text or text.startswith(("#", "-"))):
            continue
        if text.startswith("#"):
            continue
        pending.append(text)
        if not text.endswith("\\"):
            yield _requirement(pending)
            pending = []
    if pending:
        yield _requirement(pending)


def _locked_by_pex(document: Mapping[str, Any]) -> Iterator[LockedRequirement]:
    for resolve in document["locked_resolves"]:
        for locked in resolve["locked_requirements"]:
            name, version = normalized_name(locked["project_name"]), locked["version"]
            hashes = sorted(
                f"--hash={artifact['algorithm']}:{artifact['hash']}"
                for artifact in locked["artifacts"]
            )
            text = " \\\n    ".join([f"{name}=={version}", *hashes]) + "\n"
            yield LockedRequirement(name, version, text)


def _requirement(lines: list[str]) -> LockedRequirement:
    parts = [line.removesuffix("\\").strip() for line in lines]
    specification, _, marker = parts[0].split("--hash", 1)[0].partition(";")
    name, _, version = specification.partition("==")
    return LockedRequirement(
        normalized_name(name.split("[", 1)[0].strip()),
        version.strip(),
        " \\\n    ".join(part for part in parts if part) + "\n",
        marker.strip(),
    )


def cut_requirements(lock: str, carried: Iterable[tuple[str, str]]) -> str:
    """The lines of a lock file for the distributions that are carried, by name.

    Args:
        carried: normalised names and versions.
    Raises:
        ImageError: the lock file does not have one of them.
    """
    locked: dict[str, list[LockedRequirement]] = {}
    for requirement in locked_requirements(lock):
        locked.setdefault(requirement.name, []).append(requirement)
    return "".join(
        _choose(locked.get(name, []), name, version).text for name, version in sorted(carried)
    )


def _choose(candidates: list[LockedRequirement], name: str, version: str) -> LockedRequirement:
    for candidate in candidates:
        if candidate.version == version:
            return candidate
    locked = ", ".join(candidate.version for candidate in candidates) or "not at all"
    raise ImageError(f"the agent carries {name} {version}, the lock file has it {locked}")
