"""ELF files without symbol tables and debugging information, of which no code needs anything.

Nothing moves within a segment: code and data stay where the linker, or whoever patched the file after it, has
put them. The format is that of the System V ABI.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import repeat
from typing import IO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

_MACHINES = ("EM_X86_64", "EM_AARCH64")  # not those of graphics cards, whose drivers read symbols
_LINKED = ("ET_DYN", "ET_EXEC")
_SYMBOLS = "SHT_SYMTAB"
_DEBUGGING = (".debug_", ".zdebug_", ".gdb_index")
_NOTHING_STORED = ("SHT_NULL", "SHT_NOBITS")
_ALLOCATED = 0x2  # SHF_ALLOC: in the memory of whoever runs the file
_ALIGNMENT = 8
_CHUNK = 1 << 20


def strip(file: IO[bytes]) -> None:
    """Take symbol tables and debugging information out of a file, in place.

    A file stays as it is that is no ELF file of linked code for processors of `platforms`, that has nothing of
    the kind, or whose headers are at odds with each other or with its end: it is damaged, or a program that
    carries data of its own behind them.
    """
    try:
        elf = ELFFile(file)
        if elf["e_machine"] not in _MACHINES or elf["e_type"] not in _LINKED:
            return
        sections = list(elf.iter_sections())
        names = sections[elf.get_shstrndx()]
        dropped = [section for section in _unneeded(sections) if section is not names]
        kept = [section for section in sections if section not in dropped and section is not names]
        whole = max(*_ends(elf, sections), elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"])
        if not dropped or _overlap(elf, dropped, kept) or not _is_all(file, whole):
            return
    except (ELFError, IndexError, OverflowError, ValueError):
        return
    _cut(file, elf, sections, names, dropped, max(_ends(elf, kept)))


def _is_all(file: IO[bytes], whole: int) -> bool:
    """Whether a file has so many bytes; zeros may follow, which patchelf leaves."""
    size = file.seek(0, os.SEEK_END)
    if not whole <= size <= whole + _ALIGNMENT:
        return False
    file.seek(whole)
    return not any(file.read())


def _unneeded(sections: Sequence[Section]) -> list[Section]:
    tables = [section for section in sections if section["sh_type"] == _SYMBOLS]
    debugging = [section for section in sections if section.name.startswith(_DEBUGGING)]
    found = [*tables, *(sections[table["sh_link"]] for table in tables), *debugging]
    return [section for section in _stored(found) if not section["sh_flags"] & _ALLOCATED]


def _stored(sections: Iterable[Section]) -> Iterator[Section]:
    return (section for section in sections if section["sh_type"] not in _NOTHING_STORED)


def _ends(elf: ELFFile, sections: Iterable[Section]) -> list[int]:
    """Where headers, segments and the sections end, in bytes."""
    return [
        elf["e_ehsize"],
        elf["e_phoff"] + elf["e_phnum"] * elf["e_phentsize"],
        *(segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments()),
        *(section["sh_offset"] + section["sh_size"] for section in _stored(sections)),
    ]


def _overlap(elf: ELFFile, dropped: Iterable[Section], kept: Iterable[Section]) -> bool:
    """Whether something to drop is a part of something to keep."""
    ranges = [
        *((segment["p_offset"], segment["p_filesz"]) for segment in elf.iter_segments()),
        *((section["sh_offset"], section["sh_size"]) for section in _stored(kept)),
    ]
    return any(
        section["sh_offset"] < start + size and start < section["sh_offset"] + section["sh_size"]
        for section in dropped
        for start, size in ranges
        if size
    )


def _cut(
    file: IO[bytes],
    elf: ELFFile,
    sections: Sequence[Section],
    names: Section,
    dropped: Collection[Section],
    end: int,
) -> None:
    """What lies before ``end`` becomes zeros, the rest goes; the table and its names follow."""
    text = names.data()
    for section in dropped:
        if section["sh_offset"] < end:
            file.seek(section["sh_offset"])
            whole, rest = divmod(section["sh_size"], _CHUNK)
            file.writelines(repeat(bytes(_CHUNK), whole))
            file.write(bytes(rest))
    names.header["sh_offset"] = end
    elf.header["e_shoff"] = -(-(end + len(text)) // _ALIGNMENT) * _ALIGNMENT
    file.truncate(end)
    file.seek(end)
    file.write(text.ljust(elf["e_shoff"] - end, b"\0"))
    for section in sections:
        # What is dropped keeps an entry without a type, since sections refer to each other by number.
        header = elf.structs.Elf_Shdr.build(section.header)
        file.write(bytes(len(header)) if section in dropped else header)
    file.seek(0)
    file.write(elf.structs.Elf_Ehdr.build(elf.header))
