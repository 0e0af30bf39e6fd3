"""Layers: the same entries give the same bytes, and big ones pass through in small pieces."""

import gzip
import io
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from irc.oci.blobs import blob_path, new_blob
from irc.oci.compression import MEMBER_BYTES, CompressedWriter, Compression
from irc.oci.errors import ImageError
from irc.oci.layer import Entry, File, Folder, Link, bytes_file, disk_file, write_layer
from tests.irc.oci.listing import assert_describes, content, listing, members

COMPRESSIONS: tuple[Compression, ...] = ("gzip", "zstd")


def entries(folder: Path) -> Iterator[Entry]:
    program = folder / "program"
    program.write_bytes(b"run")
    yield bytes_file("opt/app/a.py", b"a = 1\n")
    yield disk_file("opt/app/bin/program", program, executable=True)
    yield Link("opt/app/link", "bin/program")
    yield File("opt/app/unknown-size", lambda: io.BytesIO(b"12345"))
    yield Folder("tmp", 0o1777)


def test_listing_has_parents_before_children_and_modes_of_two_kinds(tmp_path: Path) -> None:
    layer = write_layer(tmp_path, entries(tmp_path))
    assert listing(tmp_path, layer) == [
        "d 0755 opt 0",
        "d 0755 opt/app 0",
        "- 0644 opt/app/a.py 6",
        "d 0755 opt/app/bin 0",
        "- 0755 opt/app/bin/program 3",
        "l 0777 opt/app/link -> bin/program",
        "- 0644 opt/app/unknown-size 5",
        "d 1777 tmp 0",
    ]
    assert content(tmp_path, layer, "opt/app/bin/program") == b"run"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_digests_are_those_of_the_bytes(tmp_path: Path, compression: Compression) -> None:
    layer = write_layer(tmp_path, entries(tmp_path), compression)
    assert layer.media_type == f"application/vnd.oci.image.layer.v1.tar+{compression}"
    assert_describes(tmp_path, layer)


def test_same_entries_give_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two" / "deeper").mkdir(parents=True)
    first = write_layer(tmp_path / "one", entries(tmp_path / "one"))
    second = write_layer(tmp_path / "two" / "deeper", entries(tmp_path / "two" / "deeper"))
    assert first == second


def test_owner_and_time_are_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    layer = write_layer(tmp_path, entries(tmp_path))
    for member in members(tmp_path, layer):
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert member.mtime == 0


def test_time_is_source_date_epoch_where_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    layer = write_layer(tmp_path, entries(tmp_path))
    assert {member.mtime for member in members(tmp_path, layer)} == {1_700_000_000}
    for text in ("yesterday", "-1", "", "999999999999999"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
        with pytest.raises(ImageError, match=f"number of seconds, not '{text}'"):
            write_layer(tmp_path, entries(tmp_path))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_memory_does_not_grow_with_files(tmp_path: Path, compression: Compression) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    try:
        write_layer(tmp_path, [disk_file("big", big)], compression)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_failed_layer_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[Entry]:
        yield bytes_file("a", b"a")
        raise ImageError("no more")

    with pytest.raises(ImageError):
        write_layer(tmp_path, broken())
    assert list((tmp_path / "blobs" / "sha256").iterdir()) == []


def test_gzip_streams_do_not_depend_on_how_they_are_written(tmp_path: Path) -> None:
    """Members end at fixed places, whatever the pieces."""
    data = random.Random(1).randbytes(MEMBER_BYTES // 2) * 5
    digests = set()
    for piece_bytes in (len(data), MEMBER_BYTES, 65_537):
        with new_blob(tmp_path) as blob:
            writer = CompressedWriter(blob, "gzip")
            for start in range(0, len(data), piece_bytes):
                writer.write(data[start : start + piece_bytes])
            writer.close()
        assert gzip.decompress(blob_path(tmp_path, blob.digest).read_bytes()) == data
        digests.add(blob.digest)
    assert len(digests) == 1


def test_bytes_are_those_of_the_pinned_compressors(tmp_path: Path) -> None:
    """Another version of deflate or zstandard moves every layer: the changelog should say so."""
    text = b"".join(b"line %d\n" % number for number in range(50_000))
    digests = {
        compression: write_layer(tmp_path, [bytes_file("text", text)], compression).digest
        for compression in COMPRESSIONS
    }
    assert digests == {
        "gzip": "sha256:f2f402c02982f7e21ca0d68313ec26f9af34de57ab81ca2fc50e983adac77d16",
        "zstd": "sha256:5232a452c6e30c78f8bb7ec5b43e0fbad3a6a99a2f38c6434b313579d3a5ad91",
    }
