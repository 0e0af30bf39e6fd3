"""``irc schema``: the JSON Schema of flows."""

from __future__ import annotations

import json
from pathlib import Path

import click

from irc.cli.output import OUTPUT, write_text


@click.command()
@click.option("-o", "--output", type=OUTPUT, help="The file to write; default: standard output.")
def schema(output: Path | None) -> None:
    """Write the JSON Schema of flows, for editors.

    It knows the operations of installed packages as well.
    """
    from irc.json_schema.flow import flow_schema
    from irc.ops.packages import BrokenOperationError

    try:
        found = flow_schema()
    except BrokenOperationError as error:
        raise click.ClickException(f"{error}; {error.hint}") from None
    write_text(output, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
