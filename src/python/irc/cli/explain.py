"""``irc explain``: what a diagnostic code means."""

from __future__ import annotations

import sys

import click

from irc.cli.reporting import takes_colour
from irc.codes import CODES
from irc.diagnostics import did_you_mean


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Say what the diagnostic CODE means; without one, list all.

    The section of docs/errors.md, with a flow that fails and the same flow mended.
    """
    if code is None:
        click.echo("".join(f"{code}  {title}\n" for code, title in CODES.items()), nl=False)
        return
    code = code.upper()
    if code not in CODES:
        hint = did_you_mean(code, CODES)
        raise click.BadParameter(f"no such code{f'; {hint}' if hint else ''}", param_hint="CODE")
    from irc.explanations import explanation

    text = explanation(code).text
    if takes_colour(sys.stdout):
        from irc.render.terminal import print_markdown

        print_markdown(text, sys.stdout)
    else:
        click.echo(text, nl=False)
