"""Third-party distributions as a packed PEX holds them.

``.deps`` of a packed PEX has one zip archive a distribution, named as its wheel: the files of
``site-packages`` at the top, scripts and data files in a stash folder beside them, and a
``.layout.json`` that names the latter. The archives are read in place: nothing is unpacked to disk.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from irc.oci.bytecode import compile_pyc, pyc_path
from irc.oci.errors import ImageError
from irc.oci.layer import Entry, File, bytes_file
from irc.oci.pruning import is_needed

_LAYOUT = ".layout.json"


@dataclass(frozen=True)
class Distribution:
    """One distribution of the PEX; ``files`` are what an image takes, ``size`` their bytes."""

    name: str
    version: str
    archive: Path
    files: tuple[str, ...]
    size: int

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


def read_pex_info(pex: Path) -> dict[str, Any]:
    """The PEX-INFO of a PEX folder.

    Raises:
        ImageError: there is none, or it is not JSON.
    """
    try:
        info = json.loads((pex / "PEX-INFO").read_bytes())
    except OSError as error:
        raise ImageError(
            f"{pex}: not a packed PEX: no PEX-INFO (build it with the layout 'packed')"
        ) from error
    except ValueError as error:
        raise ImageError(f"{pex}: PEX-INFO is not JSON: {error}") from error
    if not isinstance(info, dict) or not isinstance(info.get("distributions"), dict):
        raise ImageError(f"{pex}: PEX-INFO names no distributions")
    return info


def wheel_name_and_version(file_name: str) -> tuple[str, str]:
    """Normalised name (PEP 503) and version of a wheel, from its file name."""
    name, version, *_ = file_name.split("-")
    return normalized_name(name), version


def normalized_name(name: str) -> str:
    """The name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_distributions(pex: Path) -> tuple[Distribution, ...]:
    """The distributions of a packed PEX, by name.

    Raises:
        ImageError: the folder is not a packed PEX, or an archive of it is damaged.
    """
    info = read_pex_info(pex)
    if info.get("deps_are_wheel_files"):
        raise ImageError(f"{pex}: holds wheels as they were; build it with --pre-install-wheels")
    return tuple(
        sorted(
            (_read_distribution(pex / ".deps" / file_name) for file_name in info["distributions"]),
            key=lambda distribution: distribution.name,
        )
    )


def _read_distribution(archive: Path) -> Distribution:
    name, version = wheel_name_and_version(archive.name)
    try:
        with zipfile.ZipFile(archive) as opened:
            stash = json.loads(opened.read(_LAYOUT)).get("stash_dir")
            files = [
                member
                for member in opened.infolist()
                if not member.is_dir()
                and member.filename != _LAYOUT
                and member.filename.split("/", 1)[0] != stash
                and is_needed(member.filename)
            ]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ImageError(f"{archive}: not a distribution of a packed PEX: {error}") from error
    return Distribution(
        name,
        version,
        archive,
        tuple(sorted(member.filename for member in files)),
        sum(member.file_size for member in files),
    )


def without_duplicates(
    distributions: Iterable[Distribution],
) -> tuple[tuple[Distribution, ...], tuple[str, ...]]:
    """Give every path one owner: the first distribution by name that has it.

    Returns:
        The distributions, and one line for every pair of distributions that share files.
    """
    owners: dict[str, str] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    result = []
    for distribution in distributions:
        kept = []
        for path in distribution.files:
            owner = owners.setdefault(path, distribution.name)
            if owner == distribution.name:
                kept.append(path)
            else:
                shared.setdefault((owner, distribution.name), []).append(path)
        result.append(replace(distribution, files=tuple(kept)))
    lines = tuple(
        f"{owner} and {other} both have {paths[0]}"
        + (f" and {len(paths) - 1} more files" if len(paths) > 1 else "")
        + f"; {owner}'s is taken"
        for (owner, other), paths in shared.items()
    )
    return tuple(result), lines


def layer_entries(distribution: Distribution, prefix: str) -> Iterator[Entry]:
    """The files of one distribution below ``prefix``, each module followed by its byte code."""
    with zipfile.ZipFile(distribution.archive) as archive:
        for name in distribution.files:
            path = f"{prefix}/{name}"
            if name.endswith(".py"):
                source = archive.read(name)
                yield bytes_file(path, source)
                code = compile_pyc(source, f"/{path}")
                if code is not None:
                    yield bytes_file(pyc_path(path), code)
            else:
                member = archive.getinfo(name)
                yield File(path, partial(archive.open, member), member.file_size)
