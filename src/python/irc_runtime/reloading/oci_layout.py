"""New versions from an OCI image layout: the layers of first-party code and of the flow.

The layout is the one that ``irc package`` writes, or a copy of it by ``skopeo``; layers below the code
need not be there, as only their digests are compared. For the forms see the OCI image specification
1.1: image-layout.md, manifest.md, config.md, layer.md.
"""

import gzip
import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from irc_runtime.reloading.code_copy import CHUNK_BYTES, MAX_CODE_BYTES, CodeCopy
from irc_runtime.reloading.sources import Mark, check_fit, mark_of, marks_below
from irc_runtime.reloading.version import (
    Facts,
    Version,
    VersionError,
    own_platform,
    platform_digest,
)

#: Where code lies in the image; ``irc/package/code.py`` writes it.
APP = "opt/agent/app/"

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
#: Byte code counts here, and the tar archive's own blocks.
MAX_LAYER_BYTES = 2 * MAX_CODE_BYTES
GZIP = ("application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip")  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A layer: its blob, and the digest of the archive inside."""

    media_type: str
    digest: str
    diff_id: str


class ImageLayout:
    """A folder with ``oci-layout``, ``index.json`` and ``blobs/``; ``index.json`` is written last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def head(self) -> Mark | None:
        return mark_of(self._path / "index.json")

    def marks(self) -> tuple[Mark, ...]:
        return tuple(marks_below(self._path))

    def fetch(self, parent: Path, own: Facts | None) -> Version:
        try:
            root = self._path.resolve(strict=True)
            layers = _layers(root)
            with CodeCopy(parent) as copy:
                _unpack(root, layers[-1], copy)
                facts = copy.facts()
                check_fit(facts, own)
                for layer in layers[_code_begins(layers, facts) : -1]:
                    _unpack(root, layer, copy)
                return copy.checked(facts)
        except OSError as error:
            raise VersionError(f"the layout cannot be read: {error.strerror or error}") from None
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise VersionError(
                "the layout is damaged: a document is not what OCI has it be"
            ) from None


def _layers(root: Path) -> list[Layer]:
    """The layers of the image, from the lowest up."""
    if not (root / "oci-layout").is_file():
        raise VersionError("not an OCI image layout: it has no file oci-layout")
    manifest = json.loads((root / "index.json").read_bytes())
    while "manifests" in manifest:  # an index of platforms lies in that of the layout
        manifest = json.loads(_document(root, _entry(manifest["manifests"])))
    config = json.loads(_document(root, manifest["config"]))
    diff_ids = config["rootfs"]["diff_ids"]
    return [
        Layer(raw["mediaType"], raw["digest"], diff_id)
        for raw, diff_id in zip(manifest["layers"], diff_ids, strict=True)
    ]


def _entry(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The manifest for this machine; one without a platform is for all."""
    own = own_platform()
    for entry in entries:
        offered = entry.get("platform")
        if offered is None or f"{offered['os']}/{offered['architecture']}" == own:
            return entry
    raise VersionError(f"the layout has no image for {own}")


def _code_begins(layers: list[Layer], facts: Facts) -> int:
    """How many layers lie below the code: those that the version was packaged for."""
    archives = [layer.diff_id for layer in layers]
    for count in range(len(layers)):
        if platform_digest(archives[:count]) == facts.platform_digest:
            return count
    raise VersionError("the image's layers below the code are not those that it was packaged for")


def _blob(root: Path, digest: str) -> Path:
    algorithm, _, hexadecimal = digest.partition(":")
    if algorithm != "sha256" or not re.fullmatch("[0-9a-f]{64}", hexadecimal):
        raise VersionError(f"not a sha256 digest: {digest!r}")
    path = root / "blobs" / algorithm / hexadecimal
    if not path.is_file():
        raise VersionError(f"the layout is incomplete: it has no blob {digest}")
    return path


def _document(root: Path, descriptor: Mapping[str, Any]) -> bytes:
    """A small blob, checked against its descriptor."""
    with _blob(root, descriptor["digest"]).open("rb") as file:
        data = file.read(MAX_DOCUMENT_BYTES)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != descriptor["digest"]:
        raise VersionError(f"blob {descriptor['digest']} is cut short or changed")
    return data


def _unpack(root: Path, layer: Layer, copy: CodeCopy) -> None:
    """Copy the code of a layer.

    What is read is hashed on the way, and refused at the end where it is not what the digests say.
    """
    if layer.media_type not in GZIP:
        raise VersionError(f"a layer of code has the type {layer.media_type}, expected {GZIP[0]}")
    with _blob(root, layer.digest).open("rb") as file:
        blob = HashedReader(file)
        try:
            # Its buffer reads ahead, but no further than the blob.
            with gzip.GzipFile(fileobj=blob, mode="rb") as unzipped:  # type: ignore[call-overload]  # typeshed asks for more than is used
                archive = HashedReader(unzipped)
                _copy_members(archive, copy)
                archive.read_rest()
            blob.read_rest()
        except (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error):
            raise VersionError(f"blob {layer.digest} is cut short or changed") from None
    if blob.digest != layer.digest or archive.digest != layer.diff_id:
        raise VersionError(f"blob {layer.digest} is cut short or changed")


def _copy_members(archive: "HashedReader", copy: CodeCopy) -> None:
    with tarfile.open(fileobj=archive, mode="r|") as tar:  # type: ignore[call-overload]  # as above
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isfile() and name.startswith(APP):
                source = tar.extractfile(member)
                assert source is not None
                copy.add(name.removeprefix(APP), source)


class HashedReader:
    """Reads on, hashes what comes, and bounds it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size if size >= 0 else CHUNK_BYTES)
        self._hash.update(data)
        self._size_bytes += len(data)
        if self._size_bytes > MAX_LAYER_BYTES:
            raise VersionError(f"a layer of code is larger than {MAX_LAYER_BYTES} bytes")
        return data

    def read_rest(self) -> None:
        while self.read(CHUNK_BYTES):
            pass

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
