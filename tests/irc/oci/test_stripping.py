"""Shared libraries without symbols and debugging information."""

import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import zstandard
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from irc.oci.stripping import strip

# As its wheel has it: a tenth of it is code and data.
(LIBRARY,) = Path(zstandard.__file__).parent.glob("backend_c.*.so")
ORIGINAL = LIBRARY.read_bytes()

# Places in the header of a 64-bit ELF file, and in those of a segment and of a section.
E_TYPE, E_MACHINE, E_SHOFF, E_SHENTSIZE = 0x10, 0x12, 0x28, 0x3A
P_OFFSET, P_FILESZ = 0x08, 0x20
SH_TYPE, SH_OFFSET, SH_SIZE = 0x04, 0x18, 0x20
ET_REL, EM_CUDA, SHT_NOBITS = 1, 190, 8


def stripped(data: bytes) -> bytes:
    file = io.BytesIO(data)
    strip(file)
    return file.getvalue()


def sections(data: bytes) -> dict[str, bytes]:
    return {item.name: item.data() for item in ELFFile(io.BytesIO(data)).iter_sections()}


def section(name: str) -> Section:
    """Of the original."""
    (found,) = (item for item in ELFFile(io.BytesIO(ORIGINAL)).iter_sections() if item.name == name)
    return found


def segments(data: bytes) -> list[bytes]:
    """All that is loaded, without the file's header, which the first segment begins with."""
    elf = ELFFile(io.BytesIO(data))
    return [
        item.data()[elf["e_ehsize"] if item["p_offset"] == 0 else 0 :]
        for item in elf.iter_segments()
    ]


def test_symbols_and_debugging_information_are_gone() -> None:
    before, after = sections(ORIGINAL), sections(stripped(ORIGINAL))
    gone = before.keys() - after.keys()
    assert {".symtab", ".strtab", ".debug_info", ".debug_line"} <= gone
    assert all(name.startswith((".symtab", ".strtab", ".debug_")) for name in gone)
    assert after.pop("") == b""  # what the table has in the place of what is gone
    assert after == {name: before[name] for name in after}
    assert ".shstrtab" in after
    assert len(stripped(ORIGINAL)) < len(ORIGINAL) / 5


def test_what_is_loaded_stays_where_it_was() -> None:
    assert segments(stripped(ORIGINAL)) == segments(ORIGINAL)


def test_a_stripped_file_stays_as_it_is() -> None:
    assert stripped(stripped(ORIGINAL)) == stripped(ORIGINAL)


def test_a_stripped_library_does_its_work(tmp_path: Path) -> None:
    package = tmp_path / "zstandard"
    shutil.copytree(LIBRARY.parent, package)
    with (package / LIBRARY.name).open("r+b") as file:
        strip(file)
    code = (
        "import zstandard as z; assert z.backend == 'cext'; print(z.backend_c.__file__);"
        "print(z.ZstdDecompressor().decompress(z.ZstdCompressor().compress(b'text')).decode())"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PYTHON_ZSTANDARD_IMPORT_POLICY": "cext"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [str(package / LIBRARY.name), "text"]


# What `auditwheel` has patched: segments lie where they did not lie when the library was linked.
PATCHED = sorted((Path(numpy.__file__).parent.parent / "numpy.libs").iterdir())


def test_a_patched_library_has_something_to_lose() -> None:
    assert any(stripped(path.read_bytes()) != path.read_bytes() for path in PATCHED)


@pytest.mark.parametrize("path", PATCHED, ids=lambda path: path.name.partition("-")[0])
def test_what_is_loaded_of_a_patched_library_stays(path: Path) -> None:
    data = path.read_bytes()
    after = stripped(data)
    assert segments(after) == segments(data)
    assert not {".symtab", ".debug_info"} & sections(after).keys()


def test_stripped_libraries_that_were_patched_do_their_work(tmp_path: Path) -> None:
    root = Path(numpy.__file__).parent.parent
    for name in ("numpy", "numpy.libs"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("tests"))
    for path in tmp_path.rglob("*.so*"):
        with path.open("r+b") as file:
            strip(file)
    code = "import numpy as n; print(n.__file__, int((n.ones((9, 9)) @ n.ones((9, 9))).sum()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(tmp_path / "numpy/__init__.py"), "729"]


def test_a_segment_behind_the_symbols_keeps_its_place() -> None:
    """As tools that patch libraries append what has outgrown its place."""
    elf = ELFFile(io.BytesIO(ORIGINAL))
    (index,) = [i for i, item in enumerate(elf.iter_segments()) if item["p_type"] == "PT_GNU_STACK"]
    patched = bytearray(ORIGINAL + b"grown")
    header = elf["e_phoff"] + index * elf["e_phentsize"]
    struct.pack_into("<Q", patched, header + P_OFFSET, len(ORIGINAL))
    struct.pack_into("<Q", patched, header + P_FILESZ, len(b"grown"))
    after = stripped(bytes(patched))
    assert segments(after) == segments(bytes(patched))
    debugging = section(".debug_info")
    start, size = debugging["sh_offset"], debugging["sh_size"]
    assert after[start : start + size] == bytes(size)
    assert sections(after) == sections(stripped(ORIGINAL))


def with_entry(name: str, field: int, value: int) -> bytes:
    """With another value in the entry of a section."""
    elf = ELFFile(io.BytesIO(ORIGINAL))
    place = elf["e_shoff"] + elf.get_section_index(name) * elf["e_shentsize"] + field
    data = bytearray(ORIGINAL)
    struct.pack_into("<Q", data, place, value)
    return bytes(data)


def test_debugging_information_that_lies_elsewhere_takes_nothing() -> None:
    """As `objcopy --only-keep-debug` leaves sections behind that store nothing."""
    data = bytearray(with_entry(".debug_info", SH_OFFSET, 0))
    elf = ELFFile(io.BytesIO(ORIGINAL))
    place = elf["e_shoff"] + elf.get_section_index(".debug_info") * elf["e_shentsize"] + SH_TYPE
    struct.pack_into("<I", data, place, SHT_NOBITS)
    assert segments(stripped(bytes(data))) == segments(ORIGINAL)


def for_a_graphics_card() -> bytes:
    data = bytearray(ORIGINAL)
    struct.pack_into("<H", data, E_MACHINE, EM_CUDA)
    return bytes(data)


def within_code() -> bytes:
    """Debugging information where code is."""
    return with_entry(".debug_info", SH_OFFSET, section(".text")["sh_offset"])


def relocatable() -> bytes:
    """Not linked: a linker reads its symbols."""
    data = bytearray(ORIGINAL)
    struct.pack_into("<H", data, E_TYPE, ET_REL)
    return bytes(data)


def without_sections() -> bytes:
    data = bytearray(ORIGINAL)
    struct.pack_into("<Q", data, E_SHOFF, 0)
    struct.pack_into("<HHH", data, E_SHENTSIZE, 0, 0, 0)
    return bytes(data)


def far_sections() -> bytes:
    data = bytearray(ORIGINAL)
    struct.pack_into("<Q", data, E_SHOFF, (1 << 64) - 64)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF",
        ORIGINAL[:1000],
        ORIGINAL[:-1],
        ORIGINAL + b"data of its own",
        relocatable(),
        without_sections(),
        far_sections(),
        for_a_graphics_card(),
        within_code(),
        with_entry(".shstrtab", SH_SIZE, 1 << 62),
    ],
    ids=["empty", "text", "magic", "header", "cut", "payload", "object", "no sections", "far"]
    + ["graphics card", "within code", "names"],
)
def test_other_files_stay_as_they_are(data: bytes) -> None:
    assert stripped(data) == data
