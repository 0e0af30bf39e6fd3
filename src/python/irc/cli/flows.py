"""What commands that read flows share."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

import click

from irc.diagnostics import render_json, render_text
from irc.pipeline import Result, check


def check_all(flows: Sequence[str], source_root: str) -> list[Result]:
    """Check flows that are named by paths relative to the working folder."""

    def read(name: str) -> bytes:
        return Path(name).read_bytes()

    return [check(_relative(flow), read, source_root) for flow in flows]


def _relative(flow: str) -> str:
    """The path as it is shown: relative to the working folder, with forward slashes."""
    path = Path(flow)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return posixpath.normpath(path.as_posix())


def report_all(results: Sequence[Result], format_: str) -> bool:
    """Print the findings of all flows to stderr (as JSON: to stdout); True where none is an error."""
    items = [item for result in results for item in result.report.sorted()]
    if format_ == "json":
        click.echo(render_json(items), nl=False)
    elif items:
        sources: dict[str, list[str]] = {}
        for result in results:
            sources |= result.sources
        click.echo(render_text(items, sources), err=True, nl=False)
    return not any(result.report.has_errors for result in results)
