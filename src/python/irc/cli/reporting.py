"""How commands tell findings: in which format, and which warnings count."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TextIO, TypeVar

import click

from irc.codes import CODES
from irc.diagnostics import Diagnostic, Diagnostics, Severity, did_you_mean
from irc.render.text import render_text

FORMATS = ("text", "json", "sarif", "github")
WARNINGS = tuple(code for code in CODES if code.startswith("W"))


@dataclass(frozen=True)
class Reporting:
    """What a user wants to be told.

    Attributes:
        format: one of ``FORMATS``.
        errors: warnings that count as errors.
        ignored: warnings that are not told.
    """

    format: str = "text"
    errors: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()

    def __call__(self, items: Iterable[Diagnostic]) -> list[Diagnostic]:
        """The findings as they count."""
        return [
            replace(item, severity=Severity.ERROR) if item.code in self.errors else item
            for item in items
            if item.code not in self.ignored
        ]


Command = TypeVar("Command", bound=Callable[..., object])


def reporting_options(command: Command) -> Command:
    """The options of commands that tell findings: ``--format``, ``--error``, ``--ignore``."""
    options = [
        click.option("--format", "format_", type=click.Choice(FORMATS), default="text",
                     show_default=True, help="The form of diagnostics."),
        click.option("--error", "errors", multiple=True, metavar="CODE", callback=_warnings,
                     help="Take a warning as an error: W301, or W for all; may be repeated."),
        click.option("--ignore", "ignored", multiple=True, metavar="CODE", callback=_warnings,
                     help="Leave a warning out: W302, or W for all; may be repeated."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _warnings(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> frozenset[str]:
    """The warnings that an option names: codes, or beginnings of codes, with commas between."""
    found: set[str] = set()
    for prefix in (part.strip().upper() for value in values for part in value.split(",")):
        codes = [code for code in WARNINGS if prefix and code.startswith(prefix)]
        if not codes:
            if prefix in CODES:
                raise click.BadParameter(f"{prefix} is an error, which stays one")
            hint = did_you_mean(prefix, WARNINGS)
            raise click.BadParameter(f"no warning is called {prefix}{f'; {hint}' if hint else ''}")
        found.update(codes)
    return frozenset(found)


class Reported(Protocol):
    """What came of one flow, as far as findings go."""

    @property
    def report(self) -> Diagnostics: ...

    @property
    def sources(self) -> dict[str, list[str]]: ...


def report_all(results: Sequence[Reported], reporting: Reporting) -> bool:
    """Tell the findings of all flows; True where none is an error.

    Text for people goes to stderr, every other format to stdout.
    """
    items = reporting([item for result in results for item in result.report.sorted()])
    sources: dict[str, list[str]] = {}
    for result in results:
        sources |= result.sources
    _print(items, sources, reporting.format)
    return not any(item.severity is Severity.ERROR for item in items)


def _print(items: list[Diagnostic], sources: dict[str, list[str]], format_: str) -> None:
    if format_ == "json":
        from irc.render.json import render_json

        click.echo(render_json(items), nl=False)
    elif format_ == "sarif":
        from irc.render.sarif import render_sarif

        click.echo(render_sarif(items, sources), nl=False)
    elif format_ == "github":
        from irc.render.github import render_github

        click.echo(render_github(items), nl=False)
    elif items and takes_colour(sys.stderr):
        from irc.render.terminal import print_findings

        print_findings(items, sources, sys.stderr)
    elif items:
        click.echo(render_text(items, sources), err=True, nl=False)


def takes_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user has not said no (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
