"""A lock of Debian packages: which versions a base image is made of, with the hashes of their archives.

It names no mirror: packages come from whichever the machine's apt has, and are the same or refused.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc.oci.debian import Package, architecture, download, fetch, reachable, suite
from irc.oci.debian_root import INSTALLERS, ROOTS
from irc.oci.errors import ImageError

LOCK_NAME = "debian.lock.json"
_SCHEMA_VERSION = 1
_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True)
class LockedPackage:
    """A Debian package; ``sha256`` is that of its archive, in hexadecimal digits."""

    name: str
    version: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True)
class DebianLock:
    """What ``irc image lock`` writes.

    Attributes:
        suite: the code name of the release, such as ``bookworm``.
        architecture: as Debian calls it.
        extra: packages that were asked for besides the interpreter's.
        packages: all that the image holds, by name.
    """

    suite: str
    architecture: str
    extra: tuple[str, ...]
    packages: tuple[LockedPackage, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": _SCHEMA_VERSION,
            "suite": self.suite,
            "architecture": self.architecture,
            "extra": list(self.extra),
            "packages": [package.to_json() for package in self.packages],
        }


def read_lock(path: Path) -> DebianLock:
    """Read a lock.

    Raises:
        ImageError: it is not there, or not as this version writes it.
    """
    try:
        raw = json.loads(path.read_bytes())
        if raw["schema_version"] != _SCHEMA_VERSION:
            raise ImageError(
                f"{path}: schema_version {raw['schema_version']}, expected {_SCHEMA_VERSION}: "
                f"{refresh_hint(path, ())}"
            )
        packages = tuple(LockedPackage(**package) for package in raw["packages"])
        return DebianLock(raw["suite"], raw["architecture"], tuple(raw["extra"]), packages)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}; {refresh_hint(path, ())}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{path}: not a lock of Debian packages ({error!r})") from None


def resolve(
    extra: Iterable[str], folder: Path, wanted: str | None
) -> tuple[tuple[Package, ...], DebianLock]:
    """Find and download the newest packages of the machine's suite.

    Args:
        extra: names of packages besides those of the interpreter: libraries that wheels load.
        folder: an existing, empty folder of the caller's.
        wanted: the packages' architecture, as Debian calls it; None is the machine's.
    Raises:
        ImageError: see :func:`irc.oci.debian.fetch`; or a name is not one of a package.
    """
    extra = tuple(sorted(set(extra)))
    for name in extra:
        if not _PACKAGE_NAME.fullmatch(name):
            raise ImageError(f"{name!r} is not the name of a Debian package")
    roots = (*ROOTS, *extra)
    packages = reachable(fetch(roots, folder, wanted), roots, INSTALLERS)
    locked = tuple(LockedPackage(item.name, item.version, item.sha256) for item in packages)
    return packages, DebianLock(suite(), wanted or architecture(), extra, locked)


def fetch_locked(
    lock: DebianLock, path: Path, extra: Iterable[str], folder: Path, wanted: str | None
) -> tuple[Package, ...]:
    """Download the packages of a lock.

    Args:
        path: of the lock, for messages.
        extra: packages that it must have been written for.
        folder: an existing, empty folder of the caller's.
    Raises:
        ImageError: the lock is for another architecture or was written without a package, versions
            are gone from the mirror, or a package has another content.
    """
    hint = refresh_hint(path, {*lock.extra, *extra}, wanted)
    missing = sorted(set(extra) - set(lock.extra))
    if missing:
        raise ImageError(f"{path}: was written without {', '.join(missing)}; {hint}")
    expected = wanted or architecture()
    if lock.architecture != expected:
        raise ImageError(
            f"{path}: locks packages for {lock.architecture}, the base image is for {expected}"
        )
    by_name = {item.name: item for item in lock.packages}
    versions = [f"{item.name}={item.version}" for item in lock.packages]
    packages, gone = download(versions, folder, wanted)
    if gone:
        where = "" if suite() == lock.suite else f" for {lock.suite}, this machine has {suite()}"
        raise ImageError(f"{path}: no mirror has {', '.join(gone)} any more{where}; {hint}")
    for package in packages:
        locked = by_name[package.name]
        if package.sha256 != locked.sha256:
            raise ImageError(
                f"{path}: {package.name} {package.version} has the hash {package.sha256}, and is "
                f"locked with {locked.sha256}: the archive or the lock was tampered with; {hint}"
            )
    return packages


def refresh_hint(path: Path, extra: Iterable[str], wanted: str | None = None) -> str:
    """How to write the lock at ``path`` anew; under Pants its path is the name of its resolve.

    Args:
        wanted: the architecture that was asked for, as of :func:`resolve`; Pants asks for none.
    """
    name = "" if path.name == LOCK_NAME else f" --name {path.name}"
    packages = "".join(f" --package {name}" for name in sorted(extra))
    command = f"refresh the lock: irc image lock --output-dir {path.parent}{name}{packages}"
    if wanted is not None:
        return f"{command} --platform linux/{wanted}"
    return f"{command}, or under Pants generate-lockfiles --resolve={path}"
