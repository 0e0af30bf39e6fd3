"""A bar for work that takes a while, where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

WORTH_SHOWING = 20
"""Below so many flows the work is done before a bar could be read."""


def progress(items: Sequence[Item], doing: str) -> Iterable[Item]:
    """The items, with a bar on stderr while they are worked on: on a terminal, and of many."""
    if len(items) < WORTH_SHOWING or not sys.stderr.isatty():
        return items
    from rich.console import Console  # a quarter of the start of irc
    from rich.progress import track

    return track(items, description=doing, console=Console(stderr=True), transient=True)
