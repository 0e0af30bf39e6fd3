"""Debian packages of the machine's own suite, fetched and unpacked as an ordinary user.

apt-get works in folders of its own, with the machine's sources, keys and proxies; nothing is
installed and the machine's package database is not touched.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from irc.oci.errors import ImageError

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": _SEARCH_PATH, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}

_NOT_FOUND = re.compile(r"E: Version '[^']+' for '([^']+)' was not found")
_UNKNOWN = re.compile(r"E: Unable to locate package (\S+)")

# Since the merge of /usr these are links in every Debian; some packages still ship the old paths.
MERGED_FOLDERS = ("bin", "lib", "lib64", "sbin")


@dataclass(frozen=True)
class Package:
    """A package archive on disk; ``control`` is its control file as it is."""

    name: str
    version: str
    sha256: str
    archive: Path
    control: str
    depends: tuple[str, ...]


def architecture() -> str:
    """The machine's architecture as Debian calls it."""
    return _run([_tool("dpkg"), "--print-architecture"]).decode().strip()


def suite() -> str:
    """The code name of the machine's release, such as ``bookworm``."""
    try:
        text = Path("/etc/os-release").read_text("utf-8")
    except OSError:
        return "unknown"
    match = re.search(r'^VERSION_CODENAME="?(\w+)', text, re.MULTILINE)
    return match[1] if match else "unknown"


def fetch(names: Sequence[str], folder: Path, wanted: str | None) -> tuple[Package, ...]:
    """Download packages (``name`` or ``name=version``) and all that they depend on.

    Args:
        folder: an existing, empty folder of the caller's, for apt's lists and archives.
        wanted: the packages' architecture; None is the machine's.
    Returns:
        The packages by name.
    Raises:
        ImageError: apt-get or dpkg-deb are missing, the archives cannot be reached, or the
            machine's suite does not have a package.
    """
    apt_get = _prepared(folder, wanted)
    _run([*apt_get, "install", "--download-only", "--", *names])
    archives = (folder / "cache" / "archives").glob("*.deb")
    return tuple(sorted(map(_read_package, archives), key=lambda package: package.name))


def download(
    versions: Sequence[str], folder: Path, wanted: str | None
) -> tuple[tuple[Package, ...], tuple[str, ...]]:
    """Download packages (``name=version``) alone, without what they depend on.

    Args:
        folder: as of :func:`fetch`, and ``wanted`` as well.
    Returns:
        The packages by name, and those that no mirror has, in which case there are no packages.
    Raises:
        ImageError: apt-get or dpkg-deb are missing, or the archives cannot be reached.
    """
    apt_get = _prepared(folder, wanted)
    archives = folder / "archives"
    archives.mkdir()
    result = subprocess.run(
        [*apt_get, "--print-uris", "download", "--", *versions],
        env=_ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace")
        names = {*_NOT_FOUND.findall(said), *_UNKNOWN.findall(said)}
        gone = tuple(item for item in versions if item.partition("=")[0] in names)
        if gone:
            return (), gone
    _run([*apt_get, "download", "--", *versions], folder=archives)
    packages = map(_read_package, archives.glob("*.deb"))
    return tuple(sorted(packages, key=lambda package: package.name)), ()


def _prepared(folder: Path, wanted: str | None) -> list[str]:
    """The command line of apt-get, with lists of packages of its own below ``folder``."""
    apt_get = _tool("apt-get")
    _tool("dpkg-deb")
    folder = folder.absolute()
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    options = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Log": folder,
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "0",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Debug::NoLocking": "1",
    }
    if wanted is not None:
        options |= {"APT::Architecture": wanted, "APT::Architectures": wanted}
    command = [apt_get, "--quiet", "--yes"]
    for key, value in options.items():
        command += ["-o", f"{key}={value}"]
    _run([*command, "update"])
    return command


def reachable(
    packages: Sequence[Package], roots: Sequence[str], without: frozenset[str]
) -> tuple[Package, ...]:
    """The packages that the roots need when those of ``without`` are left out.

    What only an excluded package depends on goes with it.
    """
    by_name = {package.name: package for package in packages}
    waiting = list(roots)
    found: dict[str, Package] = {}
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found and name not in without:
            found[name] = by_name[name]
            waiting.extend(by_name[name].depends)
    return tuple(found[name] for name in sorted(found))


def unpack(package: Package, root: Path, is_needed: Callable[[str], bool]) -> None:
    """Unpack what ``is_needed`` takes of a package; paths are relative to ``root``, merged."""
    command = [_tool("dpkg-deb"), "--fsys-tarfile", str(package.archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=_ENVIRONMENT) as process:
        stream = cast(IO[bytes], process.stdout)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                path = merged_path(member.name)
                if is_needed(path):
                    if not _is_within(root, path, member):
                        raise ImageError(f"{package.archive.name}: {member.name} leads out of it")
                    _unpack_member(archive, member, root, path)
        stream.read()
    if process.returncode != 0:
        raise ImageError(f"dpkg-deb could not unpack {package.archive.name}")


def merged_path(name: str) -> str:
    """``./lib/x`` as ``usr/lib/x``."""
    path = str(PurePosixPath("/", name).relative_to("/"))
    return f"usr/{path}" if path.split("/", 1)[0] in MERGED_FOLDERS else path


def _is_within(root: Path, path: str, member: tarfile.TarInfo) -> bool:
    """Whether a member stays below ``root``, also where an earlier one is a symbolic link."""
    places = [root / path]
    if member.islnk():
        places.append(root / merged_path(member.linkname))
    inside = root.resolve()
    return all(place.parent.resolve().is_relative_to(inside) for place in places)


def _unpack_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, path: str
) -> None:
    target = root / path
    if member.isdir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        shutil.copyfile(root / merged_path(member.linkname), target)
    elif member.isreg():
        source = archive.extractfile(member)
        if source is not None:
            with target.open("wb") as file:
                shutil.copyfileobj(source, file)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _read_package(archive: Path) -> Package:
    control = _run([_tool("dpkg-deb"), "--info", str(archive), "control"]).decode()
    fields = dict(_fields(control))
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Package(
        fields["Package"],
        fields["Version"],
        sha256,
        archive,
        control,
        tuple(_dependencies(fields)),
    )


def _fields(control: str) -> Iterator[tuple[str, str]]:
    for line in control.splitlines():
        if line and not line[0].isspace():
            key, _, value = line.partition(":")
            yield key, value.strip()


def _dependencies(fields: Mapping[str, str]) -> Iterator[str]:
    for key in ("Pre-Depends", "Depends"):
        for clause in fields.get(key, "").replace("|", ",").split(","):
            if clause.strip():
                yield clause.split()[0].split(":")[0]


def _tool(name: str) -> str:
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        raise ImageError(
            f"{name} is missing: the default base image is made of Debian packages. "
            "On this machine, set base_image to an OCI image by digest"
        )
    return path


def _run(command: Sequence[str], *, folder: Path | None = None) -> bytes:
    result = subprocess.run(command, env=_ENVIRONMENT, cwd=folder, capture_output=True, check=False)
    if result.returncode != 0:
        errors = [line for line in result.stderr.decode(errors="replace").splitlines() if line]
        reason = next((line for line in errors if line.startswith("E: ")), (errors or ["?"])[-1])
        raise ImageError(
            f"{Path(command[0]).name} failed: {reason.removeprefix('E: ')} "
            "(the default base image is made of Debian packages of this machine's suite; "
            "or set base_image to an OCI image by digest)"
        )
    return result.stdout
