"""The line map beside a generated module: which line of the flow a line of the module comes from.

It is read when something fails, once for each module. A map of another version, or of another text of
the module, is not used; neither is there one for a module that was not loaded from a file or archive.
"""

import bisect
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from types import FrameType
from typing import Any

_VERSION = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a generated line comes from.

    Attributes:
        file: the flow, or a file that it refers to, relative to the root of the repository.
        line: a line of it, from 1.
        text: the generated lines that are those of the file one by one, and ``first_line`` what the
            first of them is there; empty where a line only comes from the file.
    """

    file: str
    line: int
    first_line: int = 0
    text: tuple[str, ...] = ()


class LineMap:
    """The map of one module.

    Args:
        rows: as docs/language.md has them, in order.
        sources: the files.
        lines: the module's lines.
    """

    def __init__(self, rows: list[list[Any]], sources: list[str], lines: list[str]) -> None:
        self._rows = rows
        self._firsts = [row[0] for row in rows]
        self._sources = sources
        self._lines = lines

    def origin(self, line: int) -> Origin | None:
        """Where a line of the module comes from; None for one that is of no place in the flow."""
        at = bisect.bisect_right(self._firsts, line) - 1
        if at < 0 or line > self._rows[at][1]:
            return None
        first, last, _, source, origin_line, *span = self._rows[at]
        file = self._sources[source]
        if span:
            return Origin(file, origin_line)
        text = tuple(self._lines[first - 1 : last])
        return Origin(file, origin_line + line - first, origin_line, text)


def origin_of(frame: FrameType, line: int) -> Origin | None:
    """Where a line of a frame's module comes from; None where that is not generated, or has no map."""
    loader = frame.f_globals.get("__loader__")
    found = _line_map(frame.f_code.co_filename, loader) if hasattr(loader, "get_data") else None
    return None if found is None else found.origin(line)


@lru_cache(maxsize=1024)
def _line_map(file: str, loader: Any) -> LineMap | None:
    if not file.endswith(".py"):
        return None
    try:
        raw = json.loads(loader.get_data(f"{file.removesuffix('.py')}.map.json"))
        module: bytes = loader.get_data(file)
        if raw["version"] != _VERSION or raw["digest"] != _digest(module):
            return None
        return LineMap(raw["lines"], raw["sources"], module.decode().split("\n"))
    except (KeyError, OSError, TypeError, ValueError):
        return None


def _digest(module: bytes) -> str:
    return f"sha256:{hashlib.sha256(module).hexdigest()}"
