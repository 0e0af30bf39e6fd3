"""``irc serve``: an agent that follows its flow."""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading

import click

from irc.cli.flows import FLOW, relative
from irc.cli.reporting import Reporting, report_all

_PORT = click.IntRange(0, 65535)


@click.command()
@click.argument("flow", type=FLOW)
@click.option("--http-port", type=_PORT, default=8080, show_default=True, help="For REST.")
@click.option("--grpc-port", type=_PORT, help="For gRPC; default: none.")
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
def serve(flow: str, http_port: int, grpc_port: int | None, source_root: str) -> None:
    """Serve FLOW with KServe, and follow its edits.

    A new version answers when it compiles and loads; until then the former one does. Files that
    the flow refers to and first-party modules that it imports are followed as well. Exit status:
    0 ended by Ctrl-C or SIGTERM; 1 the flow does not compile or load at the start, or the agent
    ended.
    """
    for module in ("irc_runtime", "kserve"):
        if importlib.util.find_spec(module) is None:
            raise click.ClickException(f"serving needs '{module}', which is not installed")
    from irc.running.following import Follower

    grpc = ["--enable_grpc=false"] if grpc_port is None else [f"--grpc_port={grpc_port}"]
    follower = Follower(
        relative(flow),
        source_root,
        [f"--http_port={http_port}", *grpc],
        lambda result: report_all([result], Reporting()),
        lambda line: click.echo(line, err=True),
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: stopped.set())
    try:
        ended_well = follower.update(stopped) and follower.follow(stopped)
    finally:
        follower.close()
    sys.exit(0 if ended_well or stopped.is_set() else 1)
