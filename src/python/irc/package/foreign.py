"""Requirements of an agent for a platform that this machine is not.

pex finds wheels for a platform that it is told all of: the values of environment markers, and the tags
that wheels may have (https://docs.pex-tool.org/buildingpex.html#complete-platform). Which requirements
there are is told by the lock and by the metadata of distributions, with the markers of that platform.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags

from irc.oci.base import Base
from irc.oci.conventions import PYTHON
from irc.oci.distributions import normalized_name, read_pex_info, wheel_name_and_version
from irc.oci.errors import ImageError
from irc.package.compatibility import MACHINES
from irc.package.requirements import LockedRequirement, locked_requirements

# The first release of glibc for which wheels of a machine are built, as packaging has it, and names that
# tags had before they held the release (PEP 513, 571, 599).
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_OLDEST_GLIBC_OF_OTHERS = 17
_LEGACY_TAGS = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


def complete_platform(base: Base) -> dict[str, Any]:
    """What pex is told of the platform of a base image.

    Raises:
        ImageError: the platform is not one of Linux with glibc.
    """
    environment = _environment(base)
    major, minor = map(int, PYTHON.split("."))
    interpreter = f"cp{major}{minor}"
    platforms = list(_platform_tags(base, environment["platform_machine"]))
    tags = [
        *cpython_tags((major, minor), [interpreter], platforms),
        *compatible_tags((major, minor), interpreter, platforms),
    ]
    return {"marker_environment": environment, "compatible_tags": list(map(str, tags))}


def _environment(base: Base) -> dict[str, str]:
    """Values of environment markers (PEP 508).

    Of a version that the base does not tell, what markers compare as a rule is known.
    """
    machines = MACHINES.get(base.platform.architecture)
    if base.platform.os != "linux" or machines is None:
        raise ImageError(f"no wheels are known for {base.platform}: only for machines of Linux")
    version = base.python or f"{PYTHON}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": machines[0],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": version,
        "python_version": PYTHON,
        "sys_platform": "linux",
    }


def _platform_tags(base: Base, machine: str) -> Iterator[str]:
    """Tags of platforms from the newest glibc down (PEP 600)."""
    major, _, minor = (base.glibc or "").partition(".")
    if major != "2":
        raise ImageError(
            f"the base image for {base.platform} holds no glibc, and wheels for another C library are "
            "not told: take a base with glibc, as of Debian"
        )
    oldest = _OLDEST_GLIBC.get(machine, _OLDEST_GLIBC_OF_OTHERS)
    for release in range(int(minor), oldest - 1, -1):
        yield f"manylinux_2_{release}_{machine}"
        if release in _LEGACY_TAGS:
            yield f"{_LEGACY_TAGS[release]}_{machine}"
    yield f"linux_{machine}"


def requirements_for(base: Base, pex: Path, lock: str) -> str:
    """The lines of a lock for what an agent needs on the platform of a base image, by name.

    What a distribution requires is read from the PEX. It may lack some that only this platform needs:
    what those require is known once there is a PEX for the platform, with which this is asked again.

    Args:
        pex: of the agent's requirements, packed, for any platform.
        lock: the text of the locked requirements.
    Raises:
        ImageError: the lock does not have one of them, or has several versions of it.
    """
    info = read_pex_info(pex)
    environment = _environment(base)
    required = {
        wheel_name_and_version(wheel)[0]: tuple(_requires(pex / ".deps" / wheel))
        for wheel in info["distributions"]
    }
    roots = map(Requirement, info["requirements"])
    locked: dict[str, list[LockedRequirement]] = {}
    for item in locked_requirements(lock):
        if not item.marker or Marker(item.marker).evaluate(environment):
            locked.setdefault(item.name, []).append(item)
    names = _reachable(roots, required, environment)
    return "".join(_only(name, locked.get(name, ()), base).text for name in sorted(names))


def _requires(archive: Path) -> list[Requirement]:
    """What the metadata of a distribution in a packed PEX says that it requires."""
    try:
        with zipfile.ZipFile(archive) as opened:
            (name,) = (
                name
                for name in opened.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            )
            metadata = HeaderParser().parsestr(opened.read(name).decode())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ImageError(f"{archive}: not a distribution of a packed PEX: {error}") from error
    return [Requirement(text) for text in metadata.get_all("Requires-Dist") or ()]


def _reachable(
    roots: Iterable[Requirement],
    required: Mapping[str, Iterable[Requirement]],
    environment: Mapping[str, str],
) -> set[str]:
    """Names of all that is required, and what that requires, with its extras."""
    seen: set[tuple[str, str]] = set()
    pending = [(requirement, "") for requirement in roots]
    while pending:
        requirement, by_extra = pending.pop()
        marker = requirement.marker
        if marker is not None and not marker.evaluate({**environment, "extra": by_extra}):
            continue
        name = normalized_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for other, extra in seen if other == name}:
            seen.add((name, extra))
            pending += [(item, extra) for item in required.get(name, ())]
    return {name for name, _ in seen}


def _only(name: str, candidates: Iterable[LockedRequirement], base: Base) -> LockedRequirement:
    by_version = {candidate.version: candidate for candidate in candidates}
    if len(by_version) != 1:
        found = f"has it in versions {', '.join(sorted(by_version))}" if by_version else "lacks it"
        raise ImageError(f"the agent needs {name} on {base.platform}, and the lock {found}")
    return next(iter(by_version.values()))
