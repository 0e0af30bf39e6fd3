"""``irc new``: a flow to start from."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import click

from irc.files import write_files

NAMES = {"prompt": "a prompt with structured output", "service": "a web service and Python code"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--template", type=click.Choice(list(NAMES)), default="prompt", show_default=True,
              help="; ".join(f"{name}: {what}" for name, what in NAMES.items()) + ".")  # fmt: skip
def new(folder: Path, template: str) -> None:
    """Make FOLDER with a flow to start from.

    The flow is called after the folder, and comes with test cases and a BUILD file.
    """
    from irc.passes.resolve import FLOW_NAME
    from irc.scaffolding.templates import TEMPLATES

    name = folder.resolve().name
    if not name.isidentifier() or not FLOW_NAME.match(name):
        raise click.BadParameter(
            f"'{name}' is no name of a Python package: take letters, digits and '_'",
            param_hint="FOLDER",
        )
    texts = TEMPLATES[template]
    files = {path: text.replace("NAME", name) for path, text in texts.items()}
    try:
        _make(folder, files)
    except FileExistsError:
        raise click.UsageError(f"'{folder}' is there already") from None
    except OSError as error:
        raise click.UsageError(f"cannot make '{folder}': {error.strerror or error}") from None
    for path in files:
        click.echo(folder / path)


def _make(folder: Path, files: dict[str, str]) -> None:
    """Make a folder with its files, whole or not at all."""
    if os.path.lexists(folder):
        raise FileExistsError(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write_files(beside, files)
        beside.chmod(0o755)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside)
        raise
