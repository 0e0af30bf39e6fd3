"""Text in colour, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from irc.diagnostics import Diagnostic
from irc.render.text import Style, pieces

_STYLES: dict[Style, str] = {
    "place": "bold",
    "error": "bold red",
    "warning": "bold yellow",
    "message": "bold",
    "gutter": "blue",
    "mark": "bold red",
    "label": "cyan",
    "plain": "",
}


def print_findings(
    items: Iterable[Diagnostic], sources: Mapping[str, Sequence[str]], stream: TextIO
) -> None:
    """Print findings in colour; lines are not broken, so that a terminal finds the places."""
    text = Text.assemble(*((part, _STYLES[style]) for part, style in pieces(items, sources)))
    Console(file=stream, highlight=False).print(text, end="", soft_wrap=True)


def print_markdown(text: str, stream: TextIO) -> None:
    """Print a page of Markdown as wide as the terminal, at most 100 columns."""
    console = Console(file=stream)
    console.print(Markdown(text), width=min(console.width, 100))
