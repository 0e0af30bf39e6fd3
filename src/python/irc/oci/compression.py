"""Compressors whose bytes are those of their version, on every machine.

What zlib makes of a text depends on its build: distributions carry zlib, zlib-ng, or one for their
hardware. These come as pinned wheels: libdeflate (`deflate`), whose output is a function of text,
level and version, and libzstd (`zstandard`), with one thread.
"""

import hashlib
import io
from typing import Literal, Protocol

import deflate

from irc.oci.blobs import MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD, BlobFile

Compression = Literal["gzip", "zstd"]

GZIP_LEVEL = 6
GZIP_LEVEL_SMALLEST = 12  # ten times as long for 3 %: for what moves with every edit
ZSTD_LEVEL = 9
ZSTD_HASH_LOG = 20  # the level's is 21: 5 MB more, for 0.6 %
# libdeflate compresses whole buffers: a stream is a sequence of gzip members (RFC 1952, 2.2), each of
# so many bytes. Members of 4 MiB would be 1 % smaller.
MEMBER_BYTES = 1 << 20

MEDIA_TYPES = {"gzip": MEDIA_TYPE_LAYER_GZIP, "zstd": MEDIA_TYPE_LAYER_ZSTD}


def compressor_version(compression: Compression) -> str:
    """What decides the bytes of compressed layers besides what they hold."""
    if compression == "gzip":
        return f"deflate {deflate.__version__}, level {GZIP_LEVEL}"
    import zstandard  # which most images do without

    return f"zstandard {zstandard.__version__}, level {ZSTD_LEVEL}, hash log {ZSTD_HASH_LOG}"


class CompressedWriter(io.RawIOBase):
    """Compresses into a blob and hashes what comes in."""

    def __init__(
        self, blob: BlobFile, compression: Compression, gzip_level: int = GZIP_LEVEL
    ) -> None:
        self._blob = blob
        self._hash = hashlib.sha256()
        self._stream: _Stream = _Gzip(gzip_level) if compression == "gzip" else _zstd()
        self._position = 0

    def tell(self) -> int:
        return self._position

    def write(self, data: bytes) -> int:  # type: ignore[override]  # tarfile gives bytes only
        self._hash.update(data)
        self._blob.write(self._stream.compress(data))
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._blob.write(self._stream.flush())
        super().close()

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


class _Stream(Protocol):
    """As zlib's and zstandard's ``compressobj``."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _zstd() -> _Stream:
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        ZSTD_LEVEL, hash_log=ZSTD_HASH_LOG
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj()


class _Gzip:
    """gzip members without name and time."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._pending = bytearray()

    def compress(self, data: bytes) -> bytes:
        self._pending += data
        made = b""
        while len(self._pending) >= MEMBER_BYTES:
            made += self._member(MEMBER_BYTES)
        return made

    def flush(self) -> bytes:
        return self._member(len(self._pending)) if self._pending else b""

    def _member(self, size: int) -> bytes:
        with memoryview(self._pending) as pending:
            made = bytes(deflate.gzip_compress(pending[:size], self._level))
        del self._pending[:size]
        return made
