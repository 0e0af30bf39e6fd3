"""``irc check``: diagnostics of flows."""

from __future__ import annotations

import sys

import click

from irc.cli.flows import FLOW, check_all
from irc.cli.reporting import Reporting, report_all, reporting_options


@click.command()
@click.argument("flows", nargs=-1, required=True, type=FLOW)
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
@reporting_options
def check(
    flows: tuple[str, ...],
    source_root: str,
    format_: str,
    errors: frozenset[str],
    ignored: frozenset[str],
) -> None:
    """Check FLOWS and write nothing."""
    results = check_all(flows, source_root)
    if not report_all(results, Reporting(format_, errors, ignored)):
        sys.exit(1)
    if format_ == "text":
        click.echo(f"{len(results)} {'flow is' if len(results) == 1 else 'flows are'} valid")
