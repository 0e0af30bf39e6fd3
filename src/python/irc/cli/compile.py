"""``irc compile``: flows to agents."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from irc.cli.caching import cache_options, open_cache, say_what_was_compiled
from irc.cli.flows import FLOW, check_all
from irc.cli.reporting import Reporting, report_all, reporting_options
from irc.files import write_files


@click.command("compile")
@click.argument("flows", nargs=-1, required=True, type=FLOW)
@click.option("--output-dir", type=click.Path(path_type=Path), default=Path("."), show_default=True,
              help="Where the files go, by their path below the source root.")  # fmt: skip
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
@cache_options
@click.option("-v", "--verbose", is_flag=True, help="Say which nodes were compiled, and why.")
@reporting_options
def compile_flows(
    flows: tuple[str, ...],
    output_dir: Path,
    source_root: str,
    cache_dir: Path | None,
    no_cache: bool,
    verbose: bool,
    format_: str,
    errors: frozenset[str],
    ignored: frozenset[str],
) -> None:
    """Compile FLOWS to Python agents with their tests, line maps and summaries.

    Nothing is written when one of the flows has an error. What becomes of each node is kept in a
    cache, so that only nodes that have changed are compiled again.
    """
    from irc.pipeline import generate

    cache = None if no_cache else open_cache(cache_dir)
    results = check_all(flows, source_root, cache)
    if verbose:
        say_what_was_compiled(results)
    if not report_all(results, Reporting(format_, errors, ignored)):
        sys.exit(1)
    files: dict[str, str] = {}
    for result in results:
        assert result.compiled is not None
        files |= generate(result.compiled)
    try:
        write_files(output_dir, files)
    except OSError as error:
        raise click.UsageError(f"cannot write below '{output_dir}': {error}") from error
