"""ELF files without symbol tables and debugging information, of which running takes nothing.

As `strip` of binutils leaves them out, but nothing moves within a segment: code and data stay where the
linker, or whoever patched the file after it, has put them. The format is that of the System V ABI.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

_LINKED = ("ET_DYN", "ET_EXEC")
_SYMBOLS = "SHT_SYMTAB"
_DEBUGGING = (".debug_", ".zdebug_")
_NOTHING_STORED = ("SHT_NULL", "SHT_NOBITS")
_ALLOCATED = 0x2  # SHF_ALLOC: in the memory of whoever runs the file
_ALIGNMENT = 8
_CHUNK = 1 << 20


def strip(file: BinaryIO) -> None:
    """Take symbol tables and debugging information out of a file, in place.

    A file stays as it is that is no ELF file of linked code, that has nothing of the kind, or that does not
    end where its headers say: it is damaged, or a program that carries data of its own behind them.
    """
    try:
        elf = ELFFile(file)
        sections = list(elf.iter_sections())
        names = sections[elf.get_shstrndx()]
        text = names.data()
        dropped = [section for section in _unneeded(elf, sections) if section is not names]
        if not dropped or elf.stream_len != _end(elf, sections):
            return
    except (ELFError, IndexError, OverflowError, ValueError):
        return
    kept = [section for section in sections if section not in dropped and section is not names]
    end = _end(elf, kept, table=False)
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


def _unneeded(elf: ELFFile, sections: Sequence[Section]) -> list[Section]:
    if elf["e_type"] not in _LINKED:
        return []
    tables = [section for section in sections if section["sh_type"] == _SYMBOLS]
    debugging = [section for section in sections if section.name.startswith(_DEBUGGING)]
    found = [*tables, *(sections[table["sh_link"]] for table in tables), *debugging]
    return [section for section in found if not section["sh_flags"] & _ALLOCATED]


def _end(elf: ELFFile, sections: Sequence[Section], *, table: bool = True) -> int:
    """Where the last of headers, segments and the sections ends, in bytes."""
    ends = [
        elf["e_ehsize"],
        elf["e_phoff"] + elf["e_phnum"] * elf["e_phentsize"],
        elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"] if table else 0,
    ]
    ends += [segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments()]
    ends += [
        section["sh_offset"] + section["sh_size"]
        for section in sections
        if section["sh_type"] not in _NOTHING_STORED
    ]
    return int(max(ends))
