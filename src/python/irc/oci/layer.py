"""Layers: entries in, one compressed and hashed tar archive out, a chunk at a time.

The same entries give the same bytes: owner 0, one time for all, modes of two kinds, a gzip header
without name or time. What remains is the zlib build (``zlib.ZLIB_RUNTIME_VERSION``), which callers
record beside the digests.
"""

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from irc.oci.blobs import MEDIA_TYPE_LAYER_GZIP, BlobFile, Layer, new_blob
from irc.oci.clock import source_date_epoch

COMPRESSION_LEVEL = 6
MODE_FILE = 0o644
MODE_EXECUTABLE = 0o755
MODE_FOLDER = 0o755


@dataclass(frozen=True)
class File:
    """A regular file; ``path`` is relative to the root of the image.

    Where ``size`` is None the content is read whole to learn it; where it is given, it streams.
    """

    path: str
    open: Callable[[], IO[bytes]]
    size: int | None = None
    executable: bool = False


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


@dataclass(frozen=True)
class Folder:
    """A folder with a mode of its own, or an empty one; others are made where a path needs them."""

    path: str
    mode: int = MODE_FOLDER


Entry = File | Link | Folder


def bytes_file(path: str, data: bytes) -> File:
    """A file from memory."""
    return File(path, lambda: io.BytesIO(data), len(data))


def disk_file(path: str, source: Path, *, executable: bool = False) -> File:
    """A file that streams from disk."""
    return File(path, lambda: source.open("rb"), source.stat().st_size, executable)


def write_layer(root: Path, entries: Iterable[Entry], level: int = COMPRESSION_LEVEL) -> Layer:
    """Write the entries in the order given, with their parent folders, as a blob below ``root``."""
    mtime = source_date_epoch()
    with new_blob(root) as blob:
        archive = _GzipWriter(blob, level)
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            folders = {"."}
            for entry in entries:
                _add_parents(tar, entry.path, mtime, folders)
                if isinstance(entry, Folder):
                    folders.add(entry.path)
                _add(tar, entry, mtime)
        archive.close()
    return Layer(MEDIA_TYPE_LAYER_GZIP, blob.digest, archive.diff_id, blob.size)


def _add_parents(tar: tarfile.TarFile, path: str, mtime: int, folders: set[str]) -> None:
    for parent in reversed(PurePosixPath(path).parents):
        if str(parent) not in folders:
            folders.add(str(parent))
            _add(tar, Folder(str(parent)), mtime)


def _add(tar: tarfile.TarFile, entry: Entry, mtime: int) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mtime = mtime
    match entry:
        case Folder():
            info.type = tarfile.DIRTYPE
            info.mode = entry.mode
            tar.addfile(info)
        case Link():
            info.type = tarfile.SYMTYPE
            info.mode = 0o777
            info.linkname = entry.target
            tar.addfile(info)
        case File():
            info.mode = MODE_EXECUTABLE if entry.executable else MODE_FILE
            with entry.open() as source:
                if entry.size is None:
                    data = source.read()
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                else:
                    info.size = entry.size
                    tar.addfile(info, source)


class _GzipWriter(io.RawIOBase):
    """Compresses into a blob and hashes what comes in."""

    def __init__(self, blob: BlobFile, level: int) -> None:
        self._blob = blob
        self._hash = hashlib.sha256()
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, wbits=16 + zlib.MAX_WBITS)
        self._position = 0

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile gives bytes only
        self._hash.update(data)
        self._blob.write(self._compressor.compress(data))
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._blob.write(self._compressor.flush())
        super().close()

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
