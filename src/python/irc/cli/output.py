"""What commands that write share: where their text goes, and how a failure is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from irc.files import write_files
from irc.oci.errors import ImageError

OUTPUT = click.Path(dir_okay=False, path_type=Path)

COMPRESSION = click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    default="gzip",
    show_default=True,
    help="Of the layers made.",
)


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


@contextmanager
def reported() -> Iterator[None]:
    """Turn what is wrong with an input, or a full disk, into one line and exit status 1."""
    try:
        yield
    except ImageError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""  # None of a write to a full disk
        raise click.ClickException(f"{place}{error.strerror}") from None
