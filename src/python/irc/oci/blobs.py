"""Content-addressed blobs, as they lie below ``blobs/sha256`` of an OCI image layout."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from irc.oci.errors import ImageError

MEDIA_TYPE_LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
MEDIA_TYPE_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
MEDIA_TYPE_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
MEDIA_TYPE_CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_TYPE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_TYPE_INDEX = "application/vnd.oci.image.index.v1+json"

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Descriptor:
    """A blob as the OCI image specification refers to it; ``size`` in bytes."""

    media_type: str
    digest: str
    size: int

    def to_oci(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    @classmethod
    def from_oci(cls, raw: dict[str, Any]) -> "Descriptor":
        return cls(raw["mediaType"], raw["digest"], raw["size"])


@dataclass(frozen=True)
class Layer:
    """A compressed layer; ``diff_id`` is the digest of the tar archive inside."""

    media_type: str
    digest: str
    diff_id: str
    size: int

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, self.size)

    def to_json(self) -> dict[str, Any]:
        return {
            "media_type": self.media_type,
            "digest": self.digest,
            "diff_id": self.diff_id,
            "size": self.size,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Layer":
        return cls(raw["media_type"], raw["digest"], raw["diff_id"], raw["size"])


def blob_path(root: Path, digest: str) -> Path:
    """Where the blob lies below ``root``, the folder that holds ``blobs/``.

    Raises:
        ImageError: the digest is not of the form ``sha256:<64 hexadecimal digits>``.
    """
    algorithm, _, hexadecimal = digest.partition(":")
    if algorithm != "sha256" or len(hexadecimal) != 64 or not _is_hexadecimal(hexadecimal):
        raise ImageError(f"not a sha256 digest: {digest!r}")
    return root / "blobs" / algorithm / hexadecimal


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)


class BlobFile:
    """A blob being written: counts and hashes what passes through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


@contextmanager
def new_blob(root: Path) -> Iterator[BlobFile]:
    """Write a blob beside its place, and rename it to its digest once it is whole."""
    folder = root / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            blob = BlobFile(file)
            yield blob
        os.chmod(name, 0o644)
        os.replace(name, blob_path(root, blob.digest))
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(folder)  # of a write, to a disk that is full
        raise


def write_blob(root: Path, media_type: str, data: bytes) -> Descriptor:
    """Store a small blob whole."""
    with new_blob(root) as blob:
        blob.write(data)
    return Descriptor(media_type, blob.digest, blob.size)


def copy_blob(source: IO[bytes], root: Path, descriptor: Descriptor) -> None:
    """Copy a blob and check it against its descriptor.

    Raises:
        ImageError: size or digest differ; nothing is left behind.
    """
    with new_blob(root) as blob:
        while chunk := source.read(COPY_BYTES):
            blob.write(chunk)
        if (blob.digest, blob.size) != (descriptor.digest, descriptor.size):
            raise ImageError(
                f"blob {descriptor.digest} is damaged: {blob.size} of {descriptor.size} bytes, "
                f"digest {blob.digest}"
            )
