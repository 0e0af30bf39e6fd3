"""Reading what was written, the way a container engine does."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import zstandard

from irc.oci.blobs import Layer, blob_path


def unpacked(root: Path, layer: Layer) -> bytes:
    """The tar archive of a layer."""
    data = blob_path(root, layer.digest).read_bytes()
    if layer.media_type.endswith("+zstd"):
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert layer.media_type.endswith("+gzip")
    return gzip.decompress(data)


def members(root: Path, layer: Layer) -> list[tarfile.TarInfo]:
    """The entries of a layer, in their order."""
    with tarfile.open(fileobj=io.BytesIO(unpacked(root, layer))) as archive:
        return archive.getmembers()


def content(root: Path, layer: Layer, path: str) -> bytes:
    """One file of a layer."""
    with tarfile.open(fileobj=io.BytesIO(unpacked(root, layer))) as archive:
        source = archive.extractfile(path)
        assert source is not None
        return source.read()


def listing(root: Path, layer: Layer) -> list[str]:
    """One line an entry: kind, mode, size or target, path."""
    lines = []
    for member in members(root, layer):
        kind = "d" if member.isdir() else "l" if member.issym() else "-"
        detail = f"-> {member.linkname}" if member.issym() else str(member.size)
        lines.append(f"{kind} {member.mode:04o} {member.name} {detail}")
    return lines


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def assert_describes(root: Path, layer: Layer) -> None:
    """The layer's digests and size are those of what lies on disk."""
    data = blob_path(root, layer.digest).read_bytes()
    assert (layer.digest, layer.size) == (sha256(data), len(data))
    assert layer.diff_id == sha256(unpacked(root, layer))
