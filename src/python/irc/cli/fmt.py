"""``irc fmt``: flows in their canonical form."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from irc.cli.flows import FLOW
from irc.cli.output import write_text
from irc.cli.reporting import Reporting, report_all
from irc.diagnostics import Diagnostics, Span

if TYPE_CHECKING:
    from irc.formatting.flows import Formatted


@click.command()
@click.argument("flows", nargs=-1, required=True, type=FLOW)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fmt(flows: tuple[str, ...], check: bool, diff: bool) -> None:
    """Lay out FLOWS in their canonical form.

    Values and comments stay as they are. Exit status: 0 done, or nothing to do; 1 a file cannot
    be read or, with --check, would change.
    """
    from irc.formatting.flows import FormattingError

    results: list[Formatted] = []
    refused = False
    for flow in dict.fromkeys(flows):
        try:
            results.append(_format(flow))
        except FormattingError as error:
            click.echo(f"{flow} is left as it is: {error}", err=True)
            refused = True
    valid = report_all(results, Reporting())
    changed = [result for result in results if result.after not in {None, result.before}]
    for result in changed:
        if diff:
            click.echo(_difference(result), nl=False)
        if check:
            click.echo(f"{result.flow} would change")
        elif not diff:
            write_text(Path(result.flow), result.after or "")
            click.echo(f"{result.flow} changed")
    sys.exit(0 if valid and not refused and not (check and changed) else 1)


def _format(flow: str) -> Formatted:
    """Read and format one file; one that cannot be read is E107."""
    from irc.formatting.flows import Formatted, format_flow

    try:
        return format_flow(flow, Path(flow).read_bytes())
    except OSError as error:
        report = Diagnostics()
        message = f"the file cannot be read: {error.strerror or error}"
        report.error("E107", Span(flow, 1, 1, 1, 1), message)
        return Formatted(flow, report)


def _difference(result: Formatted) -> str:
    before, after = (
        (text or "").splitlines(keepends=True) for text in (result.before, result.after)
    )
    return "".join(difflib.unified_diff(before, after, result.flow, result.flow))
