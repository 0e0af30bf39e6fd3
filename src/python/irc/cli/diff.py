"""``irc diff``: what changed between two flows."""

from __future__ import annotations

import sys

import click

from irc.cli.flows import FLOW
from irc.cli.reporting import Reporting, report_all


@click.command()
@click.argument("old", type=FLOW)
@click.argument("new", type=FLOW)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="Text for people, JSON for tools.")  # fmt: skip
def diff(old: str, new: str, format_: str) -> None:
    """Say what changed from the flow OLD to NEW, and whether callers see it.

    Exit status, as of diff: 0 nothing changed, 1 something did, 2 a flow cannot be read.
    """
    from irc.difference.flows import difference
    from irc.difference.render import render_json, render_text
    from irc.difference.versions import read_version

    versions = [read_version(old), read_version(new)]
    if not report_all(versions, Reporting(ignored=frozenset({"W201"}))):
        sys.exit(2)
    found = difference(*versions)
    click.echo(render_json(found) if format_ == "json" else render_text(found), nl=False)
    sys.exit(1 if found.changes or found.contract else 0)
