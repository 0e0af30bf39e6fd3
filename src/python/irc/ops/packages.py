"""Operations of installed packages: the entry points of the group ``irc.operations``.

An entry is named after its operation, so that a package is imported only when a flow uses what it
offers: a broken one concerns nobody else.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import re
import traceback
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from irc.ops.registry import OperationType, built_in

GROUP = "irc.operations"

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class BrokenOperationError(Exception):
    """An operation that a package offers and that cannot be used.

    Attributes:
        hint: what to do.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@functools.cache
def offers() -> Mapping[str, tuple[EntryPoint, ...]]:
    """What installed packages offer, by the operation's name; no package is imported."""
    found: dict[str, list[EntryPoint]] = {}
    entries = importlib.metadata.entry_points(group=GROUP)
    for entry in sorted(entries, key=lambda entry: (entry.name, package(entry))):
        found.setdefault(entry.name, []).append(entry)
    return {name: tuple(entries) for name, entries in found.items()}


def package(entry: EntryPoint) -> str:
    """The name and the version of the distribution behind an entry."""
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist is not None else "a package without metadata"


def load(name: str) -> OperationType[Any]:
    """Import what a package offers.

    Raises:
        BrokenOperationError: it cannot be imported, is no operation, or has a name that is taken.
    """
    loaded = _loaded(name)
    if isinstance(loaded, BrokenOperationError):
        raise loaded
    return loaded


@functools.cache
def _loaded(name: str) -> OperationType[Any] | BrokenOperationError:
    entry, *others = offers()[name]
    who = package(entry)
    what = f"'{name}' of {who}"
    if name in built_in():
        return BrokenOperationError(
            f"{what} has the name of an operation of irc", f"uninstall {who}"
        )
    if others:
        return BrokenOperationError(
            f"{what} is offered by {' and '.join(package(other) for other in others)} as well",
            "uninstall one of them",
        )
    hint = f"mend {who}, or uninstall it"
    if not _NAME.fullmatch(name):
        return BrokenOperationError(
            f"{what} is not called as operations are: <family>.<operation>, in lower case", hint
        )
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever an import runs into)
        return BrokenOperationError(f"{what} cannot be loaded: {described(error)}", hint)
    if not isinstance(found, OperationType):
        kind = type(found).__name__
        return BrokenOperationError(
            f"{what} is no operation: {entry.value} is of the type '{kind}', not OperationType",
            hint,
        )
    if found.name != name:
        return BrokenOperationError(f"{what} calls itself '{found.name}'", hint)
    return found


def described(error: BaseException) -> str:
    """An exception on one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def raised_in(error: BaseException, entry: EntryPoint) -> str:
    """Where a package's code was when an exception was raised: the module and the line.

    The path of the file would differ between machines.
    """
    root = _module(entry).partition(".")[0]
    places = [
        (str(frame.f_globals.get("__name__")), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    own = [place for place in places if place[0].partition(".")[0] == root]
    module, line = (own or places)[-1]
    return f"{module}, line {line}"


def sources(entry: EntryPoint) -> Iterator[tuple[str, Path]]:
    """The Python files of the package that an entry's module stands in, by their names; unsorted.

    Nothing is imported for it, and what cannot be found has none.
    """
    root, *below = _module(entry).split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    if not spec.submodule_search_locations:
        if spec.origin is not None and Path(spec.origin).is_file():
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        folder = Path(location, *below[:-1])
        for file in folder.rglob("*.py"):
            yield file.relative_to(folder).as_posix(), file


def _module(entry: EntryPoint) -> str:
    return entry.value.partition(":")[0].strip()
