"""The cache of compiled nodes, on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from irc.cache import Cache
    from irc.pipeline import Result

Command = TypeVar("Command", bound=Callable[..., None])


def cache_options(command: Command) -> Command:
    """Give a command the options ``cache_dir`` and ``no_cache``."""
    folder = click.option(
        "--cache-dir", envvar="IRC_CACHE_DIR", show_envvar=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Where compiled nodes are kept.  [default: irc/compiler in the user's cache folder]",
    )  # fmt: skip
    none = click.option("--no-cache", is_flag=True, help="Keep nothing, and compile every node.")
    return folder(none(command))


def open_cache(folder: Path | None) -> Cache | None:
    """The cache in a folder, or in the user's; None where there is neither."""
    from irc.cache import Cache, default_folder

    folder = folder or default_folder()
    return None if folder is None else Cache(folder)


def say_what_was_compiled(results: Sequence[Result]) -> None:
    """Say on stderr which nodes were compiled, and why, and which came from the cache."""
    for result in results:
        for outcome in result.outcomes:
            what = "from the cache" if outcome.reason is None else f"compiled: {outcome.reason}"
            click.echo(f"{result.flow}: {outcome.node}: {what}", err=True)
