"""``lambda.zip``: an agent for AWS Lambda's managed runtime, code and requirements at the root.

The same input gives the same bytes: entries in one order, one time, modes of two kinds. What remains is the build of
zlib, which Python's zip files are compressed by.
"""

import re
import stat
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from irc.emit.cloudformation import ZIP, function_template
from irc.oci.collisions import check_collisions, without_repetitions
from irc.oci.conventions import LAMBDA_HANDLER
from irc.oci.distributions import Distribution, layer_entries, read_distributions
from irc.oci.errors import ImageError
from irc.oci.layer import MODE_EXECUTABLE, MODE_FILE, Entry, File
from irc.package.agent import Agent
from irc.package.code import Files
from irc.package.shared_code import with_byte_code

#: Where Lambda unpacks the archive; byte code names it.
TASK_ROOT = "var/task"

#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_UNZIPPED_BYTES = 250 * 2**20

#: Lambda's Python 3.11 runs on Amazon Linux 2, whose C library is glibc 2.26.
GLIBC_MINOR = 26

_MANYLINUX = re.compile(r"manylinux_2_(?P<minor>\d+)_(?P<machine>\w+)")
_OLDER_NAMES = re.compile(r"manylinux(1|2010|2014)_(?P<machine>\w+)")
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # The first time that a zip archive can hold.


@dataclass(frozen=True)
class _Part:
    """What one distribution, or the agent itself, has in the archive."""

    name: str
    size: int


def write_function(agent: Agent, files: Files, deps_pex: Path, output: Path) -> tuple[str, ...]:
    """Write ``lambda.zip`` and ``template.yaml`` below ``output``.

    Args:
        files: the agent's code, by path from the source root.
        deps_pex: the packed PEX of its requirements, with their archives.
    Returns:
        Warnings: what two distributions both have.
    Raises:
        ImageError: a requirement does not run on Lambda, a file is there twice, or the archive is
            too large for Lambda.
    """
    distributions = read_distributions(deps_pex)
    warnings = check_collisions([distributions])
    architecture = _architecture(distributions)
    output.mkdir(parents=True, exist_ok=True)
    parts = _write_zip(output / ZIP, files, distributions)
    size = sum(part.size for part in parts)
    if size > MAX_UNZIPPED_BYTES:
        (output / ZIP).unlink()
        raise ImageError(_too_large(size, parts))
    text = function_template(
        description=agent.description,
        service=agent.service_name,
        handler=f"{agent.module}.{LAMBDA_HANDLER}",
        architecture=architecture,
        kserve=agent.kserve,
    )
    (output / "template.yaml").write_text(text, "utf-8")
    return warnings


def _architecture(distributions: Sequence[Distribution]) -> str:
    """Lambda's name of the machine that the requirements are for; without any, the usual one."""
    machines: set[str] = set()
    for item in distributions:
        platforms = item.archive.name.removesuffix(".whl").rpartition("-")[2].split(".")
        if "any" in platforms:
            continue
        fitting = {machine for platform in platforms if (machine := _machine(platform))}
        if not fitting:
            raise ImageError(
                f"{item.archive.name} does not run on AWS Lambda, whose Python 3.11 has "
                f"glibc 2.{GLIBC_MINOR}: lock a version with a wheel for manylinux_2_{GLIBC_MINOR} "
                "or an earlier one"
            )
        machines |= fitting
    if len(machines) > 1:
        raise ImageError(f"requirements for different machines: {', '.join(sorted(machines))}")
    return machines.pop() if machines else "x86_64"


def _machine(platform: str) -> str | None:
    """The machine of a platform tag, in Lambda's words; None where a wheel does not run there."""
    match = _MANYLINUX.fullmatch(platform)
    if match is not None and int(match["minor"]) > GLIBC_MINOR:
        return None
    match = match or _OLDER_NAMES.fullmatch(platform)
    return _ARCHITECTURES.get(match["machine"]) if match is not None else None


def _write_zip(path: Path, files: Files, distributions: Sequence[Distribution]) -> list[_Part]:
    owners: dict[str, str] = {}
    parts: list[_Part] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        sources: list[tuple[str, Iterable[Entry]]] = [
            ("the agent", with_byte_code(files, TASK_ROOT))
        ]
        sources += [
            (item.name, layer_entries(item, TASK_ROOT, path.parent))
            for item in without_repetitions(distributions)
        ]
        for owner, entries in sources:
            size = 0
            for entry in entries:
                assert isinstance(entry, File)  # Wheels have neither links nor empty folders.
                name = entry.path.removeprefix(f"{TASK_ROOT}/")
                if name in owners:
                    raise ImageError(f"{name} is there twice: of {owners[name]} and of {owner}")
                owners[name] = owner
                size += _add(archive, name, entry)
            parts.append(_Part(owner, size))
    return parts


def _add(archive: zipfile.ZipFile, name: str, entry: File) -> int:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.create_system = 3  # Unix, for the mode to be one.
    mode = MODE_EXECUTABLE if entry.executable else MODE_FILE
    info.external_attr = (stat.S_IFREG | mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    with entry.open() as source:
        data = source.read()
    archive.writestr(info, data)
    return len(data)


def _too_large(size: int, parts: Sequence[_Part]) -> str:
    largest = sorted(parts, key=lambda part: (-part.size, part.name))[:5]
    listed = ", ".join(f"{part.name} {_megabytes(part.size)}" for part in largest)
    return (
        f"{ZIP} unpacks to {_megabytes(size)}, and AWS Lambda takes "
        f"{_megabytes(MAX_UNZIPPED_BYTES)}; the largest: {listed}"
    )


def _megabytes(size: int) -> str:
    """As Lambda counts, in 2**20 bytes."""
    return f"{size / 2**20:.1f} MB"
