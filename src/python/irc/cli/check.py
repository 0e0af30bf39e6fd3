"""``irc check``: diagnostics of flows."""

from __future__ import annotations

import sys

import click

from irc.cli.flows import FLOW, check_all, report_all


@click.command()
@click.argument("flows", nargs=-1, required=True, type=FLOW)
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="The form of diagnostics.")  # fmt: skip
def check(flows: tuple[str, ...], source_root: str, format_: str) -> None:
    """Check FLOWS and write nothing."""
    results = check_all(flows, source_root)
    if not report_all(results, format_):
        sys.exit(1)
    if format_ == "text":
        click.echo(f"{len(results)} {'flow is' if len(results) == 1 else 'flows are'} valid")
