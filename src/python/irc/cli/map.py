"""``irc map``: from generated lines to the flow, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from irc.cli.flows import check_all, relative
from irc.cli.reporting import Reporting, report_all
from irc.line_map import LineMap, LineMapError, Place, read_line_map
from irc.render.text import excerpt, printable


@click.command("map")
@click.argument("place", metavar="PLACE", type=click.Path(allow_dash=True))
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="Text for people, JSON for tools.")  # fmt: skip
@click.option(
    "--source-root", default=".", show_default=True, help="The folder that module names start from."
)
def map_(place: str, format_: str, source_root: str) -> None:
    """Say which lines of a flow generated lines come from, in a traceback as well.

    PLACE is one of four. A line of a generated module, as agent.py:120, whose map lies beside it. A
    module, as agent.py, or - for those that are named: a traceback on standard input is repeated, with
    the flow's place behind each frame of the module. A line of a flow, as flow.yaml:57: the generated
    lines that come from it.
    """
    file, _, number = place.rpartition(":")
    try:
        if not (file and number.isascii() and number.isdigit()):
            text, places = _traceback(sys.stdin.read(), place)
        elif file.endswith(".py"):
            places = [read_line_map(Path(file)).place(int(number))]
            text = _in_flow(places[0])
        else:
            places = _generated(relative(file), int(number), source_root)
            text = "".join(f"{x.module}:{x.line}: {printable(x.text.strip())}\n" for x in places)
    except LineMapError as error:
        raise click.ClickException(str(error)) from None
    click.echo(_to_json(places) if format_ == "json" else text, nl=False)


def _in_flow(place: Place) -> str:
    return f"{place.span}: {_owner(place)}\n{excerpt(place.span, place.source)}"


def _owner(place: Place) -> str:
    return "the flow" if place.node is None else f"node '{printable(place.node)}'"


def _traceback(text: str, module: str) -> tuple[str, list[Place]]:
    """A traceback with the flow's places, and these."""
    from irc.running.tracebacks import frames, with_notes

    maps: dict[str, LineMap | None] = {}
    if module != "-":
        maps[Path(module).name] = read_line_map(Path(module))
    notes: dict[int, str] = {}
    places: list[Place] = []
    for at, file, line in frames(text):
        name = file if module == "-" else Path(file).name
        if name not in maps:
            maps[name] = _map_of(name) if module == "-" else None
        found = maps[name]
        if found is None:
            continue
        try:
            place = found.place(line)
        except LineMapError:
            continue  # it comes from no place in the flow
        places.append(place)
        notes[at] = f"{place.span.file}:{place.span.line}, {_owner(place)}"
    return with_notes(text, notes), places


def _map_of(file: str) -> LineMap | None:
    """The map beside a file that a traceback names; None where there is none."""
    path = Path(file)
    return read_line_map(path) if path.with_suffix(".map.json").is_file() else None


def _generated(flow: str, line: int, source_root: str) -> list[Place]:
    """The generated lines that come from a line of a flow, which is compiled for it."""
    from irc.pipeline import generate

    results = check_all([flow], source_root)
    if not report_all(results, Reporting(ignored=frozenset({"W"}))):
        sys.exit(1)
    compiled = results[0].compiled
    assert compiled is not None
    files = generate(compiled)
    module = f"{compiled.module.replace('.', '/')}.py"
    content = files[f"{module.removesuffix('.py')}.map.json"]
    places = LineMap(module, files[module].encode(), content).lines_of(flow, line)
    if not places:
        raise LineMapError(f"nothing is generated from {flow}:{line}")
    return places


def _to_json(places: Sequence[Place]) -> str:
    rows: Iterable[dict[str, object]] = (
        {
            "module": place.module,
            "module_line": place.line,
            "node": place.node,
            "file": place.span.file,
            "line": place.span.line,
            "column": place.span.column,
            "end_line": place.span.end_line,
            "end_column": place.span.end_column,
        }
        for place in places
    )
    return json.dumps([*rows], indent=2) + "\n"
