"""Reading compressed layers, a chunk at a time."""

import gzip
import hashlib
import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import IO, cast

import zstandard

from irc.oci.errors import ImageError

DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

# What the readers raise on a stream that is damaged or ends early.
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)


def opened_layer(source: IO[bytes], media_type: str) -> AbstractContextManager[IO[bytes]]:
    """The tar archive inside a layer.

    Raises:
        ImageError: a compression that is not known.
    """
    if media_type.endswith("gzip"):
        return cast(AbstractContextManager[IO[bytes]], gzip.open(source))
    if media_type.endswith("+zstd"):
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        return cast(AbstractContextManager[IO[bytes]], reader)
    if media_type.endswith(".tar"):
        return nullcontext(source)
    raise ImageError(f"a layer of the media type {media_type}, which irc does not read")


class HashedReader:
    """Hashes what is read of a stream."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        """Of all that was read so far."""
        return f"sha256:{self._hash.hexdigest()}"
