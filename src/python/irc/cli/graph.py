"""``irc graph``: drawings of flows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from irc.cli.flows import FLOW, check_all
from irc.cli.output import OUTPUT, write_text
from irc.cli.reporting import Reporting, report_all


@click.command()
@click.argument("flow", type=FLOW)
@click.option("--format", "format_", type=click.Choice(["mermaid", "dot", "svg"]), default="mermaid",
              show_default=True, help="Mermaid for Markdown, DOT or SVG; SVG needs Graphviz.")  # fmt: skip
@click.option("-o", "--output", type=OUTPUT, help="The file to write; default: standard output.")
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
def graph(flow: str, format_: str, output: Path | None, source_root: str) -> None:
    """Draw FLOW: its nodes, edges and error routes.

    Error routes are dashed, tools dotted, nodes that never run grey. Where all nodes have a
    'position', DOT and SVG put them there.
    """
    results = check_all([flow], source_root)
    if not report_all(results, Reporting()):
        sys.exit(1)
    compiled = results[0].compiled
    assert compiled is not None
    from irc.graphs.dot import GraphvizError, render_svg, write_dot
    from irc.graphs.drawing import draw
    from irc.graphs.mermaid import write_mermaid

    writers = {"mermaid": write_mermaid, "dot": write_dot, "svg": render_svg}
    try:
        text = writers[format_](draw(compiled))
    except GraphvizError as error:
        raise click.ClickException(str(error)) from None
    write_text(output, text)
