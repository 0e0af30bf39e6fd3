"""Texts of templates as code, each with its place in the flow or in its file."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from irc.diagnostics import Span
from irc.emit.code import Code, Mapped, block_text, quoted
from irc.emit.writer import PlacedText, line_mark
from irc.ir.model import FileText

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


@dataclass
class TemplateTexts:
    """The texts of one prompt.

    Attributes:
        placed: where they come from, in the order in which they are written.
    """

    lowering: Lowering
    placed: list[PlacedText] = field(default_factory=list)

    def keywords(self, name: str, value: str | FileText, text: str) -> dict[str, Code]:
        """A template as a keyword, and where its text starts as another.

        The latter is relative to the flow's folder, and is left out of a text whose lines are not
        those of the flow.
        """
        literal = block_text(text)
        before = f"{name}="
        if isinstance(value, FileText):
            self._add_file(before, literal, value.file)
            return {name: literal, f"{name}_at": quoted(f"{posixpath.normpath(value.file)}:1")}
        document, path = self.lowering.document, (*self.lowering.path, "prompt", name)
        span = document.span(path)
        first = document.block_first_line(path)
        if first is not None:
            span = Span(span.file, first, 1, first, 1)
        self.placed.append(PlacedText(before, literal, span, is_verbatim=first is not None))
        if first is None and (span.line != span.end_line or "\n" in text):
            return {name: literal}
        file = posixpath.basename(document.source.name)
        mark = line_mark(span.line - document.key_span(self.lowering.path).line)
        return {name: literal, f"{name}_at": f'"{file}:{mark}"'}

    def files(self, texts: Mapping[str, str]) -> Code:
        """The templates that others refer to, by the names that they use."""
        literals = {name: block_text(text) for name, text in sorted(texts.items())}
        for name, literal in literals.items():
            self._add_file(f"{quoted(name)}: ", literal, name)
        return Mapped(tuple((quoted(name), literal) for name, literal in literals.items()))

    def _add_file(self, before: str, literal: str, relative: str) -> None:
        span = Span(self.lowering.files.name(relative), 1, 1, 1, 1)
        self.placed.append(PlacedText(before, literal, span, is_verbatim=True))
