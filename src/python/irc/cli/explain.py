"""``irc explain``: what a diagnostic code means."""

from __future__ import annotations

import click

from irc.codes import CODES
from irc.diagnostics import did_you_mean


@click.command()
@click.argument("code")
def explain(code: str) -> None:
    """Say what the diagnostic CODE means."""
    title = CODES.get(code.upper())
    if title is None:
        hint = did_you_mean(code.upper(), CODES)
        raise click.BadParameter(f"no such code{f'; {hint}' if hint else ''}", param_hint="CODE")
    click.echo(f"{code.upper()}: {title}\nsee docs/errors.md#{code.upper()}")
