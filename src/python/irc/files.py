"""Writing files so that none is ever half there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, which takes its place when all is written, and is gone otherwise.

    Raises:
        OSError: there is something in its place by then, for one that another process has written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        beside = Path(place, "new")
        beside.mkdir()
        yield beside
        beside.rename(folder)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts below a folder: all beside their places first, then each renamed into it.

    Args:
        files: text by path relative to the folder, with forward slashes.
    """
    written: list[tuple[str, Path]] = []
    try:
        for name, text in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            written.append((beside, target))
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            os.chmod(beside, 0o644)
        while written:
            beside, target = written[0]
            os.replace(beside, target)
            written.pop(0)
    finally:
        for beside, _ in written:
            os.unlink(beside)
