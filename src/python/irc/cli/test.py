"""``irc test``: the generated tests of flows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from irc.cli.flows import FLOW, check_all
from irc.cli.reporting import Reporting, report_all

_OPTIONS = "irc.pytest_options"


class _WithPytestOptions(click.Command):
    """A command that keeps what stands behind ``--`` for pytest."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_OPTIONS] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])


@click.command(cls=_WithPytestOptions, options_metavar="[OPTIONS]")
@click.argument("flows", nargs=-1, required=True, type=FLOW, metavar="FLOWS... [-- PYTEST OPTIONS]")
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
@click.pass_context
def test(context: click.Context, flows: tuple[str, ...], source_root: str) -> None:
    """Run the generated tests of FLOWS, with nothing left behind.

    Exit status: 0 all tests passed; 1 one failed, none was run, or a flow has an error; 2 wrong
    usage, of pytest as well.
    """
    from irc.running.testing import MissingToolError, run_tests

    results = check_all(flows, source_root, with_tests=True)
    if not report_all(results, Reporting()):
        sys.exit(1)
    compiled = [result.compiled for result in results if result.compiled is not None]
    try:
        status = run_tests(compiled, Path(source_root), context.meta[_OPTIONS])
    except MissingToolError as error:
        raise click.ClickException(str(error)) from None
    sys.exit(status)
