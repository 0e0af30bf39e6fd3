"""What is installed in an image, read from its layers: Python distributions and Debian packages."""

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import IO, cast

from irc.oci.blobs import Layer, blob_path
from irc.oci.errors import ImageError
from irc.oci.reading import DAMAGED, HashedReader, opened_layer

_METADATA = re.compile(r"(?:.*/)?([^/]+)\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)")
_STATUS = re.compile(r"var/lib/dpkg/(?:status|status\.d/[^/]+)")
_COPYRIGHT = re.compile(r"usr/share/doc/([^/]+)/copyright")
_RELEASES = ("etc/os-release", "usr/lib/os-release")
_COPY_BYTES = 1 << 20

# Where a layer removes what those below it have: one path, or all of a folder.
# https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"

_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True)
class Distribution:
    """A Python distribution.

    Attributes:
        licences: as its metadata has them: an SPDX expression, or names.
        location: of its metadata in the image.
        layer: the digest of the archive in the layer that it lies in.
    """

    name: str
    version: str
    licences: tuple[str, ...]
    location: str
    layer: str


@dataclass(frozen=True)
class DebianPackage:
    """A package, as dpkg's status names it; other attributes as those of a distribution."""

    name: str
    version: str
    architecture: str
    source: str
    licences: tuple[str, ...]
    location: str
    layer: str


@dataclass(frozen=True)
class Inventory:
    """What layers hold together.

    Attributes:
        release: of the operating system, as os-release(5) has it: ``ID``, ``VERSION_ID`` and so on.
    """

    distributions: tuple[Distribution, ...]
    packages: tuple[DebianPackage, ...]
    release: dict[str, str]


@dataclass(frozen=True)
class _File:
    layer: str
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")


def read_inventory(layers: Sequence[tuple[Path, Layer]]) -> Inventory:
    """Read layers, from the lowest up.

    Args:
        layers: each with the folder that holds ``blobs/``.
    Raises:
        ImageError: a layer is not there, is damaged, or holds another archive than it says.
    """
    files: dict[str, _File] = {}
    for root, layer in layers:
        try:
            _add_layer(files, root, layer)
        except OSError as error:
            raise ImageError(f"layer {layer.digest}: {error.strerror or error}") from error
        except (*DAMAGED, tarfile.TarError) as error:
            raise ImageError(f"layer {layer.digest} is damaged: {error}") from error
    licences = {
        match[1]: _debian_licences(file.text)
        for path, file in files.items()
        if (match := _COPYRIGHT.fullmatch(path))
    }
    release = next((files[path].text for path in _RELEASES if path in files), "")
    return Inventory(
        tuple(sorted(_distributions(files), key=lambda item: (item.name.lower(), item.location))),
        tuple(sorted(_packages(files, licences), key=lambda item: (item.name, item.location))),
        dict(_variables(release)),
    )


def _add_layer(files: dict[str, _File], root: Path, layer: Layer) -> None:
    with (
        blob_path(root, layer.digest).open("rb") as blob,
        opened_layer(blob, layer.media_type) as archive,
    ):
        reader = HashedReader(archive)
        added: dict[str, _File] = {}
        with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|") as members:
            for member in members:
                path = member.name.removeprefix("./").lstrip("/")
                folder, _, name = path.rpartition("/")
                if name == _OPAQUE:
                    _remove(files, folder)
                elif name.startswith(_WHITEOUT):
                    gone = f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/")
                    files.pop(gone, None)
                    _remove(files, gone)
                elif member.isfile() and _is_read(path):
                    source = members.extractfile(member)
                    assert source is not None  # a regular file has content
                    added[path] = _File(layer.diff_id, source.read())
        while reader.read(_COPY_BYTES):
            pass
    if reader.digest != layer.diff_id:
        raise ImageError(f"layer {layer.digest} holds {reader.digest}, not {layer.diff_id}")
    files.update(added)


def _remove(files: dict[str, _File], folder: str) -> None:
    """Remove what lies in a folder; the root is ``""``."""
    prefix = f"{folder}/" if folder else ""
    for path in [path for path in files if path.startswith(prefix)]:
        del files[path]


def _is_read(path: str) -> bool:
    patterns = (_METADATA, _STATUS, _COPYRIGHT)
    return path in _RELEASES or any(pattern.fullmatch(path) for pattern in patterns)


def _distributions(files: dict[str, _File]) -> Iterator[Distribution]:
    for path, file in files.items():
        match = _METADATA.fullmatch(path)
        if match is None:
            continue
        metadata = Parser().parsestr(file.text, headersonly=True)
        # The name of the folder says the same.
        name, _, version = match[1].partition("-")
        yield Distribution(
            metadata.get("Name") or name,
            metadata.get("Version") or version,
            _python_licences(metadata),
            path,
            file.layer,
        )


def _python_licences(metadata: Message) -> tuple[str, ...]:
    """An expression where there is one (PEP 639), else the only classifier, a short text, or classifiers."""
    expression = metadata.get("License-Expression")
    if expression:
        return (expression,)
    text = (metadata.get("License") or "").strip()
    classifiers = [
        item.removeprefix(_CLASSIFIER)
        for item in metadata.get_all("Classifier") or ()
        if item.startswith(_CLASSIFIER)
    ]
    # Older metadata may hold the whole licence, or UNKNOWN.
    short = text if text and "\n" not in text and text != "UNKNOWN" and len(text) < 80 else None
    return (short,) if short and len(classifiers) != 1 else tuple(sorted(set(classifiers)))


def _packages(
    files: dict[str, _File], licences: dict[str, tuple[str, ...]]
) -> Iterator[DebianPackage]:
    for path, file in files.items():
        if _STATUS.fullmatch(path) is None or path.endswith(".md5sums"):
            continue
        for stanza in re.split(r"\n\s*\n", file.text.strip()):
            fields = Parser().parsestr(stanza)
            name, version = fields.get("Package"), fields.get("Version")
            status = fields.get("Status", "installed").split()
            if name and version and status[-1] == "installed":
                source = (fields.get("Source") or name).split()[0]
                architecture = fields.get("Architecture", "all")
                found = licences.get(name, ())
                yield DebianPackage(name, version, architecture, source, found, path, file.layer)


def _debian_licences(text: str) -> tuple[str, ...]:
    """The short names in a machine-readable copyright file; none of another one."""
    first = text.partition("\n")[0]
    if not first.startswith("Format:") or "copyright-format" not in first:
        return ()
    names = re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.MULTILINE)
    return tuple(sorted({name.strip() for name in names}))


def _variables(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            yield name, value.strip().strip("\"'")
