"""``irc compile``: flows to agents."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from irc.cli.caching import cache_options, open_cache, say_what_was_compiled
from irc.cli.each import compile_each
from irc.cli.flows import FLOW, check_all
from irc.cli.output import OUTPUT, reported
from irc.cli.reporting import Reporting, report_all, reporting_options
from irc.files import write_files

if TYPE_CHECKING:
    from irc.emit.agent import Compiled

_DEFAULT = ParameterSource.DEFAULT


@click.command("compile")
@click.argument("flows", nargs=-1, required=True, type=FLOW)
@click.option("--output-dir", type=click.Path(path_type=Path), default=Path("."), show_default=True,
              help="Where the files go, by their path below the source root.")  # fmt: skip
@click.option("-o", "--output", type=OUTPUT, metavar="FILE.py",
              help="Write one flow's agent here, and its line map beside it, in place of all files.")  # fmt: skip
@click.option("--generate-tests", is_flag=True, help="With --output: the tests as well.")
@click.option("--validate-only", is_flag=True, help="Write nothing, as 'irc check' does.")
@click.option("--each", is_flag=True,
              help="Write what comes of each flow, findings too, into a folder of its path.")  # fmt: skip
@click.option("--package", is_flag=True,
              help="Also write context/ beside one flow's agent: a Dockerfile and what it copies.")  # fmt: skip
@click.option("--lock", type=OUTPUT, metavar="FILE", help="With --package: hashed requirements.")
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
@cache_options
@click.option("-v", "--verbose", is_flag=True, help="Say which nodes were compiled, and why.")
@reporting_options
def compile_flows(
    flows: tuple[str, ...],
    output_dir: Path,
    output: Path | None,
    generate_tests: bool,
    validate_only: bool,
    each: bool,
    package: bool,
    lock: Path | None,
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

    _check_usage(flows, output, generate_tests, package, lock)
    cache = None if no_cache else open_cache(cache_dir)
    reporting = Reporting(format_, errors, ignored)
    if each:
        with reported():
            compile_each(flows, source_root, cache, reporting, output_dir)
        return
    results = check_all(
        flows, source_root, cache, with_tests=output is None or generate_tests
    )
    if verbose:
        say_what_was_compiled(results)
    if not report_all(results, reporting):
        sys.exit(1)
    if validate_only:
        return
    compiled = [result.compiled for result in results if result.compiled is not None]
    files: dict[str, str] = {}
    for agent in compiled:
        files |= generate(agent)
    if package:
        name = compiled[0].module.replace(".", "/")
        beside = output or output_dir / f"{name}.py"
        with reported():
            from irc.package.standalone import write_standalone_context

            write_standalone_context(
                files, f"{name}.json", Path(source_root), lock, beside.parent / "context"
            )
    if output is not None:
        files = _one_agent(compiled[0], output.stem)
        output_dir = output.parent
    try:
        write_files(output_dir, files)
    except OSError as error:
        raise click.UsageError(f"cannot write below '{output_dir}': {error}") from error


def _check_usage(
    flows: tuple[str, ...],
    output: Path | None,
    generate_tests: bool,
    package: bool,
    lock: Path | None,
) -> None:
    """Refuse options that do not go together."""
    context = click.get_current_context()
    if output is not None and context.get_parameter_source("output_dir") is not _DEFAULT:
        raise click.UsageError("--output and --output-dir exclude each other")
    if len(flows) > 1 and (output is not None or package):
        raise click.UsageError("--output and --package are for one flow")
    if output is not None and (output.suffix != ".py" or not output.stem.isidentifier()):
        raise click.UsageError(f"'{output}' is no name of a Python module")
    if generate_tests and output is None:
        raise click.UsageError("--generate-tests goes with --output; --output-dir has them anyway")
    if lock is not None and not package:
        raise click.UsageError("--lock goes with --package")


def _one_agent(compiled: Compiled, stem: str) -> dict[str, str]:
    """The files of an agent whose module has another name and no package; not its summary."""
    from irc.pipeline import generate

    files = generate(replace(compiled, module=stem))
    return {name: text for name, text in files.items() if name != f"{stem}.json"}
