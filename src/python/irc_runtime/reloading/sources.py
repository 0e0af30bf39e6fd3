"""Where new versions come from: a folder of code, or for ``irc serve`` a link to one."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

from irc_runtime.reloading.code_copy import CodeCopy
from irc_runtime.reloading.version import VERSION_FILE, Facts, Version, VersionError

#: What a file is told by, without reading it: path, inode, size in bytes, time of change in ns.
Mark: TypeAlias = tuple[str, int, int, int]


class Source(Protocol):
    """A place to which new versions are brought."""

    def head(self) -> Mark | None:
        """The mark of the file that is written last; None where there is none yet."""

    def marks(self) -> tuple[Mark, ...]:
        """The marks of all files, which tell whether a version that was refused has changed."""

    def fetch(self, parent: Path, own: Facts | None) -> Version:
        """The version that is there, checked.

        Args:
            parent: gets the folder of the copy.
            own: of the image that runs.
        Raises:
            VersionError: it cannot be taken.
        """


class CodeFolder:
    """A folder with the code of an agent, as ``context/app`` of ``irc package`` is.

    It is changed by renaming: of the folder, of a link to it, or, as Kubernetes mounts volumes, of
    the link that the version file is reached by.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def head(self) -> Mark | None:
        return mark_of(self._path / VERSION_FILE)

    def marks(self) -> tuple[Mark, ...]:
        return tuple(marks_below(self._root()))

    def _root(self) -> Path:
        """The folder without links, so that all files are those of one version."""
        return Path(os.path.realpath(self._path / VERSION_FILE)).parent

    def fetch(self, parent: Path, own: Facts | None) -> Version:
        root = self._root()
        with CodeCopy(parent) as copy:
            try:
                for path in files_below(root):
                    with path.open("rb") as source:
                        copy.add(path.relative_to(root).as_posix(), source)
            except OSError as error:
                raise VersionError(f"the code cannot be read: {error.strerror}") from None
            facts = copy.facts()
            check_fit(facts, own)
            return copy.checked(facts)


class LinkedCode:
    """A link to code that runs where it lies, unchecked: what ``irc serve`` compiles."""

    def __init__(self, link: Path, module: str) -> None:
        self._link = link
        self._module = module

    def head(self) -> Mark | None:
        return mark_of(self._link)

    def marks(self) -> tuple[Mark, ...]:
        head = self.head()
        return () if head is None else (head,)

    def fetch(self, parent: Path, own: Facts | None) -> Version:
        folder = self._link.resolve()
        return Version(folder.name, folder, self._module, is_copy=False)


def check_fit(facts: Facts, own: Facts | None) -> None:
    """Raise VersionError where a version cannot take the place of the one that runs."""
    if own is None:
        return
    if facts.name != own.name:
        raise VersionError(f"it is the agent '{facts.name}', this is '{own.name}'")
    if facts.platform_digest != own.platform_digest:
        raise VersionError(
            "its base or its third-party distributions are not those of the running image",
            "roll out a new image",
        )


def mark_of(path: Path) -> Mark | None:
    """The mark of a file, or None where it is not there."""
    try:
        real = os.path.realpath(path)
        found = os.stat(real)
    except OSError:
        return None
    return real, found.st_ino, found.st_size, found.st_mtime_ns


def marks_below(root: Path) -> Iterator[Mark]:
    """The marks of all files of a folder, in the order of paths."""
    for path in files_below(root):
        mark = mark_of(path)
        if mark is not None:
            yield mark


def files_below(root: Path) -> Iterator[Path]:
    """All files of a folder but byte code, in the order of paths."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (Path(folder, name) for name in sorted(names))
