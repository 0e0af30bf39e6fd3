"""The files that a flow refers to: prompts, code, functions."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field

from irc.diagnostics import Diagnostics, Span
from irc.reading import decode, parse
from irc.source import Document, Path, SourceFile

ReadFile = Callable[[str], bytes]
"""Reads a file by its name relative to the build root; raises OSError."""


@dataclass
class Files:
    """Reads files beside the flow, each once; what is wrong with one is told to all that ask for it.

    Attributes:
        report: takes the findings.
        loaded: all files that were looked at; None for those that are not there or cannot be read.
        missing: those that are not there.
        used: those that something in the flow refers to.
    """

    document: Document
    read: ReadFile
    report: Diagnostics
    source_root: str = "."
    loaded: dict[str, SourceFile | None] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    _unreadable: dict[str, Diagnostics] = field(default_factory=dict)
    _documents: dict[str, tuple[Document | None, Diagnostics]] = field(default_factory=dict)

    def name(self, relative: str) -> str:
        """A path relative to the flow's folder, as one relative to the build root."""
        folder = posixpath.dirname(self.document.source.name)
        return posixpath.normpath(posixpath.join(folder, relative))

    def load(self, relative: str, path: Path) -> SourceFile | None:
        """The file that the value at a path names.

        Reports:
            E313 when it leaves the build root or does not exist, E102 and E105 for its content.
        """
        name = "/" if relative.startswith("/") else self.name(relative)
        return self.load_named(name, relative, lambda: self.document.span(path), "to the flow")

    def load_at(self, relative: str, span: Span, *, optional: bool = False) -> SourceFile | None:
        """The file that something at a place names; ``optional`` allows that there is none.

        Reports:
            as ``load``.
        """
        name = "/" if relative.startswith("/") else self.name(relative)
        if optional and not name.startswith(("/", "../")):
            self.peek(name)
            if name in self.missing:
                self.used.add(name)
                return None
        return self.load_named(name, relative, lambda: span, "to the flow")

    def load_named(
        self, name: str, shown: str, span: Callable[[], Span], relative_to: str
    ) -> SourceFile | None:
        """The file of a name relative to the build root; reports as ``load`` does.

        Args:
            shown: the file as the flow names it.
            span: where it does; asked for where it is reported, as places are costly.
            relative_to: what such names are relative to, for a hint.
        """
        if name.startswith(("/", "../")):
            self.report.error(
                "E313", span(), f"'{shown}' is outside the repository",
                hint=f"paths are relative {relative_to}",
            )  # fmt: skip
            return None
        self.used.add(name)
        self.peek(name)
        self.report.extend(self._unreadable.get(name, ()))
        if name in self.missing:
            self.report.error(
                "E313", span(), f"the file '{shown}' does not exist",
                hint=f"it is looked for at {name}",
            )  # fmt: skip
        return self.loaded[name]

    def peek(self, name: str) -> SourceFile | None:
        """A file by its name relative to the build root; nothing is reported, nor is it used."""
        if name not in self.loaded:
            found = Diagnostics()
            try:
                self.loaded[name] = decode(name, self.read(name), found)
            except (OSError, ValueError):  # ValueError: a name that no file can have
                self.loaded[name] = None
                self.missing.add(name)
            if found:
                self._unreadable[name] = found
        return self.loaded[name]

    def document_of(
        self, name: str, shown: str, span: Callable[[], Span], relative_to: str
    ) -> Document | None:
        """The YAML or JSON document in a file; arguments as for ``load_named``.

        Reports:
            E313 as ``load`` does, E101 to E106 for what is in the file.
        """
        source = self.load_named(name, shown, span, relative_to)
        if source is None:
            return None
        if name not in self._documents:
            found = Diagnostics()
            self._documents[name] = parse(source, found), found
        document, found = self._documents[name]
        self.report.extend(found)
        return document
