"""Byte code that depends on the source alone (PEP 552, unchecked hash).

A time-stamped ``.pyc`` differs on every build; a checked one makes the interpreter read the source
at each import. An unchecked one is taken as it is, which suits an image whose files never change.
"""

import importlib.util
import marshal
import sys
import warnings
from pathlib import Path, PurePosixPath
from types import CodeType
from typing import Any

_UNCHECKED_HASH = (0b01).to_bytes(4, "little")

# Strings of one character exist once in a process, and marshal notes whether anybody has interned
# them: here all are.
_CHARACTERS = [sys.intern(chr(code)) for code in range(256)]


def pyc_path(path: str) -> str:
    """Where this interpreter looks for the byte code of the module at ``path``."""
    source = PurePosixPath(path)
    name = f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    return str(source.parent / "__pycache__" / name)


def compile_pyc(source: bytes, path: str) -> bytes | None:
    """The ``.pyc`` file of a module that will lie at the absolute ``path``.

    Returns:
        None for a text that this Python cannot compile (a template, or code for another version).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError):
        return None
    known: dict[Any, Any] = {}
    data = marshal.dumps(_canonical_code(code, known))
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source)
    return header + data


# marshal writes an object again as a reference to its first place, and marks what may be referred
# to: what anybody else holds. Which equal constants the compiler has found to be one object depends
# on what the process did before. So equal constants are made one, in all code objects of a module,
# and `known` holds each a second time while it is written.


def _canonical_code(code: CodeType, known: dict[Any, Any]) -> CodeType:
    return code.replace(
        co_consts=tuple([_canonical(value, known) for value in code.co_consts]),
        co_names=_canonical(code.co_names, known),
        co_linetable=_canonical(code.co_linetable, known),
        co_exceptiontable=_canonical(code.co_exceptiontable, known),
    )


def _canonical(value: Any, known: dict[Any, Any]) -> Any:
    kind = type(value)
    if kind is str or kind is bytes:  # most of all: nothing else is equal to one
        return known.setdefault(value, value)
    if kind is CodeType:
        return _canonical_code(value, known)
    if kind is tuple:
        value = tuple([_canonical(item, known) for item in value])
    elif kind is frozenset:
        value = frozenset([_canonical(item, known) for item in value])
    # Version 2 of the format has no references: equal values of one type give equal bytes.
    return known.setdefault((kind, marshal.dumps(value, 2)), value)


def compile_tree(root: Path, folder: str) -> None:
    """Write the ``.pyc`` of every module in ``folder`` below ``root``, the root of an image."""
    for source in sorted((root / folder).rglob("*.py")):
        path = source.relative_to(root).as_posix()
        code = compile_pyc(source.read_bytes(), f"/{path}")
        if code is not None:
            target = root / pyc_path(path)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(code)


if __name__ == "__main__":  # the interpreter of a base image compiles its own library
    compile_tree(Path(sys.argv[1]), sys.argv[2])
