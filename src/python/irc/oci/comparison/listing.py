"""The entries of a layer, read in one pass."""

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, cast

from irc.oci.comparison.view import LayerView
from irc.oci.errors import ImageError
from irc.oci.reading import DAMAGED, HashedReader, opened_layer
from irc.oci.sources import Source

_CHUNK_BYTES = 1 << 20

_KINDS = {
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "pipe",
}


@dataclass(frozen=True)
class Entry:
    """What a layer says of one path.

    Attributes:
        content: digest of a regular file.
        size: its bytes.
        attributes: extended ones.
    """

    kind: str
    mode: int
    owner: str
    mtime: float
    link: str
    size: int
    content: str | None
    attributes: tuple[tuple[str, str], ...]


Listing = Mapping[str, Entry]


def read_listing(source: Source, layer: LayerView) -> Listing:
    """The entries of a layer by path; of a path that is there twice, the last, which is seen.

    Raises:
        ImageError: the layer is missing, damaged, or unpacks to another archive than its image says.
    """
    entries: dict[str, Entry] = {}
    try:
        with source.open(layer.name) as blob, opened_layer(blob, layer.media_type) as tar:
            reader = HashedReader(tar)
            with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|") as archive:
                for member in archive:
                    entries[_path(member.name)] = _entry(archive, member)
            while reader.read(_CHUNK_BYTES):
                pass
    except (*DAMAGED, tarfile.TarError) as error:
        raise ImageError(f"layer {layer.name} is damaged: {error}") from error
    if reader.digest != layer.diff_id:
        raise ImageError(
            f"layer {layer.name} is damaged: it unpacks to {reader.digest}, its image says "
            f"{layer.diff_id}"
        )
    return entries


def _path(name: str) -> str:
    return name.removeprefix("./").rstrip("/") or "."


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    content = None
    if member.isreg():
        digest = hashlib.sha256()
        file = archive.extractfile(member)
        while file is not None and (chunk := file.read(_CHUNK_BYTES)):
            digest.update(chunk)
        content = f"sha256:{digest.hexdigest()}"
    names = f" ({member.uname}:{member.gname})" if member.uname or member.gname else ""
    return Entry(
        kind="file" if member.isreg() else _KINDS.get(member.type, "other"),
        mode=member.mode,
        owner=f"{member.uid}:{member.gid}{names}",
        mtime=member.mtime,
        link=member.linkname,
        size=member.size if member.isreg() else 0,
        content=content,
        attributes=tuple(
            sorted(
                (key, value)
                for key, value in member.pax_headers.items()
                if key.startswith(("SCHILY.xattr.", "LIBARCHIVE.xattr."))
            )
        ),
    )
