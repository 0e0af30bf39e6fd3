"""A folder in which generated files lie beside the sources of their flows, as Pants lays them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from irc.files import write_files


def lay_over(source_root: Path, files: Mapping[str, str], folder: Path) -> None:
    """Make a view of a source root with generated files in it; the sources stay untouched.

    On the way to a generated file folders are real, and all else in them is a link: so packages
    with and without an ``__init__.py`` are found, and code reads files beside itself.

    Args:
        files: text by path relative to the source root, with forward slashes.
        folder: an empty folder.
    """
    ways = dict.fromkeys(parent for name in files for parent in PurePosixPath(name).parents)
    root = source_root.resolve()
    for way in ways:
        (folder / way).mkdir(parents=True, exist_ok=True)
        if not (root / way).is_dir():
            continue
        for entry in sorted(os.listdir(root / way)):
            name = way / entry
            if name not in ways and str(name) not in files and entry != "__pycache__":
                (folder / name).symlink_to(root / name)
    write_files(folder, files)


def environment(folder: Path, source_root: Path) -> dict[str, str]:
    """The variables of a process that imports from such a folder, and what this process can.

    Byte code is not written: it would land among the sources.
    """
    root = source_root.resolve()
    inherited = [entry for entry in sys.path if entry and Path(entry).resolve() != root]
    search_path = os.pathsep.join([str(folder), *map(os.path.abspath, inherited)])
    return {**os.environ, "PYTHONPATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"}
