"""Layers: the same entries give the same bytes, and big ones pass through in small pieces."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from irc.oci.errors import ImageError
from irc.oci.layer import Entry, File, Folder, Link, bytes_file, disk_file, write_layer
from tests.irc.oci.listing import assert_describes, content, listing, members


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


def test_digests_are_those_of_the_bytes(tmp_path: Path) -> None:
    assert_describes(tmp_path, write_layer(tmp_path, entries(tmp_path)))


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
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ImageError, match="yesterday"):
        write_layer(tmp_path, entries(tmp_path))


def test_memory_does_not_grow_with_files(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    try:
        write_layer(tmp_path, [disk_file("big", big)], level=1)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_failed_layer_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[Entry]:
        yield bytes_file("a", b"a")
        raise ImageError("no more")

    with pytest.raises(ImageError):
        write_layer(tmp_path, broken())
    assert list((tmp_path / "blobs" / "sha256").iterdir()) == []
