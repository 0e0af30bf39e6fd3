"""A lock of Debian packages: which versions a base image is made of, with the hashes of their archives.

It names no mirror: packages come from whichever the machine's apt has, and are the same or refused.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc.oci.debian import Package, architecture, download, fetch, reachable, suite
from irc.oci.debian_root import INSTALLERS, ROOTS
from irc.oci.errors import ImageError

LOCK_NAME = "debian.lock.json"
_SCHEMA_VERSION = 2
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
        extra: packages that were asked for besides the interpreter's.
        packages: all that the image holds, by name, for each architecture as Debian calls it.
    """

    suite: str
    extra: tuple[str, ...]
    packages: Mapping[str, tuple[LockedPackage, ...]]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": _SCHEMA_VERSION,
            "suite": self.suite,
            "extra": list(self.extra),
            "packages": {
                name: [package.to_json() for package in self.packages[name]]
                for name in sorted(self.packages)
            },
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
        packages = {
            name: tuple(LockedPackage(**package) for package in items)
            for name, items in raw["packages"].items()
        }
        return DebianLock(raw["suite"], tuple(raw["extra"]), packages)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}; {refresh_hint(path, ())}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{path}: not a lock of Debian packages ({error!r})") from None


def make_lock(extra: Iterable[str], architectures: Iterable[str], folder: Path) -> DebianLock:
    """Pin the newest packages of the machine's suite, for each architecture; raises as ``resolve``.

    Args:
        folder: as of :func:`resolve`.
    """
    packages = {}
    for name in sorted(architectures):
        (folder / name).mkdir()
        packages[name] = pinned(resolve(extra, folder / name, name))
    return DebianLock(suite(), tuple(sorted(set(extra))), packages)


def resolve(extra: Iterable[str], folder: Path, wanted: str | None) -> tuple[Package, ...]:
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
    return reachable(fetch(roots, folder, wanted), roots, INSTALLERS)


def pinned(packages: Iterable[Package]) -> tuple[LockedPackage, ...]:
    """What a lock says of packages."""
    return tuple(LockedPackage(item.name, item.version, item.sha256) for item in packages)


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
    expected = wanted or architecture()
    hint = refresh_hint(path, {*lock.extra, *extra}, {*lock.packages, expected})
    missing = sorted(set(extra) - set(lock.extra))
    if missing:
        raise ImageError(f"{path}: was written without {', '.join(missing)}; {hint}")
    if expected not in lock.packages:
        locked_for = " and ".join(sorted(lock.packages)) or "nothing"
        raise ImageError(
            f"{path}: locks packages for {locked_for}, the base image is for {expected}; {hint}, with "
            f"'linux/{expected}' in the target's field 'platforms'"
        )
    by_name = {item.name: item for item in lock.packages[expected]}
    versions = [f"{name}={item.version}" for name, item in by_name.items()]
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


def refresh_hint(path: Path, extra: Iterable[str], architectures: Iterable[str] = ()) -> str:
    """How to write the lock at ``path`` anew; under Pants its path is the name of its resolve.

    Args:
        architectures: that it shall have, where it is not the machine's own alone.
    """
    name = "" if path.name == LOCK_NAME else f" --name {path.name}"
    packages = "".join(f" --package {name}" for name in sorted(extra))
    foreign = set(architectures) - {architecture()}
    platforms = (f" --platform linux/{item}" for item in sorted(architectures if foreign else ()))
    command = f"refresh the lock: irc image lock --output-dir {path.parent}{name}{packages}"
    return f"{command}{''.join(platforms)}, or under Pants generate-lockfiles --resolve={path}"
