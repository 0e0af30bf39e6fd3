"""What commands that read flows share."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from irc.cli.progress import progress
from irc.diagnostics import Span

if TYPE_CHECKING:
    from irc.cache import Cache
    from irc.pipeline import Result

FLOW = click.Path()
"""A flow's file; the type lets shells complete it."""


def check_all(
    flows: Sequence[str],
    source_root: str,
    cache: Cache | None = None,
    *,
    with_tests: bool = False,
) -> list[Result]:
    """Check flows that are named by paths relative to the working folder.

    Args:
        cache: keeps what becomes of nodes; None compiles all of them.
        with_tests: whether their tests are wanted.
    """
    from irc.pipeline import check  # which --help has no use for

    def read(name: str) -> bytes:
        return Path(name).read_bytes()

    names = dict.fromkeys(relative(flow) for flow in flows)
    results = [
        check(name, read, source_root, cache, with_tests=with_tests)
        for name in progress(tuple(names), "Compiling")
    ]
    _check_modules(results)
    return results


def _check_modules(results: Sequence[Result]) -> None:
    """Report E303 for flows that would overwrite each other's module."""
    first: dict[str, Result] = {}
    for result in results:
        if result.compiled is None:
            continue
        other = first.setdefault(result.compiled.module, result)
        if other is not result:
            result.report.error(
                "E303", Span(result.flow, 1, 1, 1, 1),
                f"two flows have the module '{result.compiled.module}'",
                related=[(Span(other.flow, 1, 1, 1, 1), "the other one")],
                hint="rename one of the files",
            )  # fmt: skip


def relative(flow: str) -> str:
    """The path as it is shown: relative to the working folder, with forward slashes."""
    path = Path(flow)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return posixpath.normpath(path.as_posix())
