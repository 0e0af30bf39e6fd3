"""The ``irc`` command: a click group whose subcommands are imported only when called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from irc.version import VERSION

COMMANDS = {
    "check": ("irc.cli.check:check", "Check FLOWS and write nothing."),
    "compile": (
        "irc.cli.compile:compile_flows",
        "Compile FLOWS to Python agents with their tests, line maps and summaries.",
    ),
    "diff": (
        "irc.cli.diff:diff",
        "Say what changed from the flow OLD to NEW, and whether callers see it.",
    ),
    "explain": (
        "irc.cli.explain:explain",
        "Say what the diagnostic CODE means; without one, list all.",
    ),
    "features": ("irc.cli.features:features", "Fill the embedded feature store."),
    "fmt": ("irc.cli.fmt:fmt", "Lay out FLOWS in their canonical form."),
    "graph": ("irc.cli.graph:graph", "Draw FLOW: its nodes, edges and error routes."),
    "image": (
        "irc.cli.image:image",
        "Make the layers that agents share, compare images, and try one.",
    ),
    "manifest": (
        "irc.cli.manifest:manifest",
        "Write the KServe manifests of an agent, with a placeholder for its image.",
    ),
    "map": (
        "irc.cli.map:map_",
        "Say which lines of a flow generated lines come from, in a traceback as well.",
    ),
    "new": ("irc.cli.new:new", "Make FOLDER with a flow to start from."),
    "package": ("irc.cli.package:package", "Write what an agent's target takes."),
    "publish": (
        "irc.cli.publish:publish",
        "Push the image of PACKAGE, a folder that 'package' has written, by digest and then by tags.",
    ),
    "sbom": (
        "irc.cli.sbom:sbom",
        "Write the bill of materials of base and third-party layers, read from the layers themselves.",
    ),
    "schema": ("irc.cli.schema:schema", "Write the JSON Schema of flows, for editors."),
    "serve": ("irc.cli.serve:serve", "Serve FLOW with KServe, and follow its edits."),
    "test": ("irc.cli.test:test", "Run the generated tests of FLOWS, with nothing left behind."),
}
"""Where each subcommand is, and its line in ``irc --help``, which imports none of them."""

EXIT_CRASH = 70  # EX_SOFTWARE of sysexits.h


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is called, and not for its help line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=COMMANDS[name][1]) for name in names), *options]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="irc")
def irc() -> None:
    """Compile agent flows to Python agents that KServe serves.

    Exit status: 0 done, 1 errors in the input, 2 wrong usage, 70 a crash of irc itself.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; a crash is reported as E901, with its report kept."""
    try:
        irc.main(args=None if arguments is None else list(arguments), prog_name="irc")
    except Exception as error:  # noqa: BLE001  (the boundary: a crash is reported, not shown)
        from irc.crash import report_crash

        print(report_crash(error), file=sys.stderr)
        sys.exit(EXIT_CRASH)
