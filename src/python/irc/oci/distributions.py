"""Third-party distributions as a packed PEX holds them.

``.deps`` of a packed PEX has one zip archive a distribution, named as its wheel: the files of
``site-packages`` at the top, what was in the wheel's ``.data`` in a stash folder beside them, and a
``.layout.json`` that names the latter. The archives are read in place: nothing is unpacked to disk.
"""

import configparser
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from irc.oci.bytecode import compile_pyc, pyc_path
from irc.oci.errors import ImageError
from irc.oci.layer import Entry, File, bytes_file
from irc.oci.pruning import is_needed

_LAYOUT = ".layout.json"

# Folders of the stash whose files go where those at the top do: modules of a wheel that has both kinds,
# and data, as `pip install --target` lays it. The others are scripts and headers.
_SPREAD = ("purelib", "platlib", "data")

_ENTRY_POINTS = re.compile(r"[^/]+\.dist-info/entry_points\.txt")
_ELF = b"\x7fELF"
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")


@dataclass(frozen=True)
class Packed:
    """A file in an archive: bytes, CRC-32, and what the archive calls it. Equal ones hold the same."""

    size: int
    crc: int
    member: str = field(compare=False)


@dataclass(frozen=True)
class Distribution:
    """One distribution of the PEX.

    Attributes:
        files: what an image takes, by path below ``site-packages`` and in the order of paths.
        commands: names of the scripts that an installer would make, which images do without.
    """

    name: str
    version: str
    archive: Path
    files: Mapping[str, Packed]
    commands: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def size(self) -> int:
        """Bytes of the files, as they are in the archive: libraries with their symbols."""
        return sum(packed.size for packed in self.files.values())


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
            files = {
                path: Packed(member.file_size, member.CRC, member.filename)
                for member in opened.infolist()
                if not member.is_dir()
                and (path := _installed(member.filename, stash)) is not None
                and is_needed(path)
            }
            commands = _commands(opened, files)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ImageError(f"{archive}: not a distribution of a packed PEX: {error}") from error
    return Distribution(name, version, archive, dict(sorted(files.items())), commands)


def _installed(member: str, stash: str | None) -> str | None:
    """The path below ``site-packages`` that a file of an archive gets; None where it gets none."""
    top, _, rest = member.partition("/")
    if top == stash:
        kind, _, path = rest.partition("/")
        return path if kind in _SPREAD else None
    return member if member != _LAYOUT else None


def _commands(archive: zipfile.ZipFile, files: Iterable[str]) -> tuple[str, ...]:
    for path in files:
        if _ENTRY_POINTS.fullmatch(path):
            parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
            parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
            parser.read_string(archive.read(path).decode())
            groups = [group for group in _SCRIPT_GROUPS if parser.has_section(group)]
            return tuple(sorted(name for group in groups for name in parser[group]))
    return ()


def layer_entries(distribution: Distribution, prefix: str, scratch: Path) -> Iterator[Entry]:
    """The files of one distribution below ``prefix``, each module followed by its byte code.

    Files of one name lie side by side: packages hold modules of one name that are much alike.

    Args:
        scratch: a folder for copies of libraries, which are gone when they have been read.
    """
    with zipfile.ZipFile(distribution.archive) as archive:
        for name, packed in sorted(distribution.files.items(), key=_by_name):
            path = f"{prefix}/{name}"
            if name.endswith(".py"):
                source = archive.read(packed.member)
                yield bytes_file(path, source)
                code = compile_pyc(source, f"/{path}")
                if code is not None:
                    yield bytes_file(pyc_path(path), code)
                continue
            member = archive.getinfo(packed.member)
            executable = bool(member.external_attr >> 16 & 0o100)  # a program within a package
            if _is_elf(archive, member) and _checksum(name) not in distribution.files:
                yield File(path, partial(_stripped, archive, member, scratch), None, executable)
            else:
                yield File(path, partial(archive.open, member), member.file_size, executable)


def _by_name(file: tuple[str, Packed]) -> tuple[str, str]:
    path, _ = file
    return path.rpartition("/")[2], path


def _is_elf(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as source:
        return source.read(len(_ELF)) == _ELF


def _checksum(path: str) -> str:
    """By which a library of cryptography finds itself unchanged, where it has one."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name}.hmac"


def _stripped(archive: zipfile.ZipFile, member: zipfile.ZipInfo, scratch: Path) -> IO[bytes]:
    """A copy on disk, since what refers to all of a library stands at its end."""
    # Here, since `irc package`, which reads what was made, is quicker without.
    from irc.oci.stripping import strip

    copy = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  # whoever reads it closes it
    with archive.open(member) as source:
        shutil.copyfileobj(source, copy)
    strip(copy)
    copy.seek(0)
    return copy
