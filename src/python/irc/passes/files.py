"""The files that a flow refers to: prompts, code, functions."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field

from irc.diagnostics import Diagnostics
from irc.reading import decode
from irc.source import Document, Path, SourceFile

ReadFile = Callable[[str], bytes]
"""Reads a file by its name relative to the build root; raises OSError."""


@dataclass
class Files:
    """Reads files beside the flow, each once."""

    document: Document
    read: ReadFile
    report: Diagnostics
    source_root: str = "."
    loaded: dict[str, SourceFile | None] = field(default_factory=dict)

    def name(self, relative: str) -> str:
        """A path relative to the flow's folder, as one relative to the build root."""
        folder = posixpath.dirname(self.document.source.name)
        return posixpath.normpath(posixpath.join(folder, relative))

    def load(self, relative: str, path: Path) -> SourceFile | None:
        """The file that the value at a path names.

        Reports:
            E313 when it leaves the build root or does not exist, E102 and E105 for its content.
        """
        name = self.name(relative)
        span = self.document.span(path)
        if relative.startswith("/") or name.startswith("../"):
            self.report.error(
                "E313",
                span,
                f"'{relative}' is outside the repository",
                hint="paths are relative to the flow",
            )
            return None
        if name not in self.loaded:
            try:
                self.loaded[name] = decode(name, self.read(name), self.report)
            except (OSError, ValueError):  # ValueError: a name that no file can have
                self.loaded[name] = None
                self.report.error(
                    "E313", span, f"the file '{relative}' does not exist",
                    hint=f"it is looked for at {name}",
                )  # fmt: skip
        return self.loaded[name]
