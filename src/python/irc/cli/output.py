"""Where a command's text goes: a file, or standard output."""

from __future__ import annotations

from pathlib import Path

import click

from irc.files import write_files

OUTPUT = click.Path(dir_okay=False, path_type=Path)


def write_text(output: Path | None, text: str) -> None:
    """Write a text to a file, whole or not at all, or to standard output.

    Raises:
        click.UsageError: the file cannot be written.
    """
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_files(output.parent, {output.name: text})
    except OSError as error:
        raise click.UsageError(f"cannot write '{output}': {error.strerror or error}") from None
