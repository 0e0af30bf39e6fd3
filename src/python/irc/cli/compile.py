"""``irc compile``: flows to agents."""

from __future__ import annotations

import sys
from pathlib import Path

import click

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
@reporting_options
def compile_flows(
    flows: tuple[str, ...],
    output_dir: Path,
    source_root: str,
    format_: str,
    errors: frozenset[str],
    ignored: frozenset[str],
) -> None:
    """Compile FLOWS to Python agents with their tests, line maps and summaries.

    Nothing is written when one of the flows has an error.
    """
    from irc.pipeline import generate

    results = check_all(flows, source_root)
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
