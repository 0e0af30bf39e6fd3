"""Layers: entries in, one compressed and hashed tar archive out, a chunk at a time.

The same entries give the same bytes: owner 0, one time for all, modes of two kinds, and a compressor
that is pinned.
"""

import io
import os
import tarfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from irc.oci.blobs import Layer, new_blob
from irc.oci.clock import source_date_epoch
from irc.oci.compression import GZIP_LEVEL, MEDIA_TYPES, CompressedWriter, Compression

MODE_FILE = 0o644
MODE_EXECUTABLE = 0o755
MODE_FOLDER = 0o755


@dataclass(frozen=True)
class File:
    """A regular file; ``path`` is relative to the root of the image.

    Where ``size`` is None it is learned from what was opened, which can be sought in.
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


def write_layer(
    root: Path,
    entries: Iterable[Entry],
    compression: Compression = "gzip",
    gzip_level: int = GZIP_LEVEL,
    present: Collection[str] = (),
) -> Layer:
    """Write the entries in the order given, with their parent folders, as a blob below ``root``.

    Args:
        present: folders that a layer below has, which are not repeated.
    """
    mtime = source_date_epoch()
    with new_blob(root) as blob:
        archive = CompressedWriter(blob, compression, gzip_level)
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            folders = set(present)
            for entry in entries:
                _add_parents(tar, entry.path, mtime, folders)
                if isinstance(entry, Folder):
                    folders.add(entry.path)
                _add(tar, entry, mtime)
        archive.close()
    return Layer(MEDIA_TYPES[compression], blob.digest, archive.diff_id, blob.size)


def _add_parents(tar: tarfile.TarFile, path: str, mtime: int, folders: set[str]) -> None:
    parent = path.rpartition("/")[0]
    if parent and parent not in folders:
        _add_parents(tar, parent, mtime, folders)
        folders.add(parent)
        _add(tar, Folder(parent), mtime)


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
                    info.size = source.seek(0, os.SEEK_END)
                    source.seek(0)
                else:
                    info.size = entry.size
                tar.addfile(info, source)
