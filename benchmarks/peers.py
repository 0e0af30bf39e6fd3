"""What irc and its peers need to build and check graphs of 1,000 nodes.

    python3.11 benchmarks/peers.py [--python PATH] [--runs 3] [--peer PEER ...]

Each runs its own command on the same graph, one after the other in each run: CPU time from start to exit,
and the most memory. The peers are installed from the package index into a temporary folder, removed at
the end.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from graphs import GRAPHS, chain
from irc_interpreter import Interpreter, irc_interpreter
from peer import CHECKS, NotInstalledError, Peer, Run, run, version
from peer_graphs import WRITERS, graph_of
from report import Row, row, table

SIZE = 1_000

#: Flows of irc, by the title of their figures. What one node costs is mostly the start of the command.
FLOWS = {
    "one node": chain(1),
    **{f"{name} of {SIZE:,} nodes": graph(SIZE) for name, graph in GRAPHS.items()},
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="an interpreter that imports irc (default: a PEX of HEAD)")
    parser.add_argument("--runs", type=int, default=3, help="of each figure (default: 3)")
    parser.add_argument("--peer", action="append", choices=list(CHECKS), help="default: all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        peers = []
        for name in options.peer or CHECKS:
            try:
                peers.append(Peer(name, folder))
            except NotInstalledError as error:
                print(f"{version(name)} does not install: {error}", file=sys.stderr)
        interpreter = irc_interpreter(options.python, folder)
        rows: list[Row] = []
        for title, flow in FLOWS.items():
            tools = {"irc": of_irc(interpreter, flow, folder)}
            tools |= {peer.name: of_peer(peer, title, flow) for peer in peers}
            rows += rows_of(title, measured(title, tools, options.runs))
    print(table(rows))


def of_irc(interpreter: Interpreter, flow: str, folder: Path) -> Callable[[], Run]:
    """Check and compile, with nothing kept of an earlier run."""
    path = folder / "flow.yaml"

    def compile_flow() -> Run:
        path.write_text(flow)
        arguments = ["-m", "irc", "compile", "--no-cache", "--output-dir", "compiled", path.name]
        command = [*interpreter.command, *arguments]
        return run(command, interpreter.environment, folder, folder / "irc.txt")

    return compile_flow


def of_peer(peer: Peer, title: str, flow: str) -> Callable[[], Run]:
    """Build and check the same graph."""
    files = WRITERS[peer.name](graph_of(flow))
    folder = peer.folder / title.replace(" ", "_")
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    given = folder if peer.name == "promptflow" else folder / next(iter(files))
    return lambda: peer.check(given)


def measured(title: str, tools: dict[str, Callable[[], Run]], runs: int) -> dict[str, list[Run]]:
    """The runs of each tool, in turn, after one that writes the byte code of what it imports."""
    done: dict[str, list[Run]] = {name: [] for name in tools}
    for number in range(runs + 1):
        for name, tool in tools.items():
            print(f"{title}, run {number}: {name} …", file=sys.stderr)
            once = tool()
            if not once.ok:
                sys.stderr.write(once.output)
                raise SystemExit(f"{title}: {name} failed")
            if number > 0:
                done[name].append(once)
    return done


def rows_of(title: str, done: dict[str, list[Run]]) -> list[Row]:
    """Time and memory of each tool; ratios are to irc."""
    rows = []
    for unit, value in (("s", lambda once: once.cpu_s), ("MB", lambda once: once.memory_mb)):
        figures = {name: list(map(value, runs)) for name, runs in done.items()}
        rows += [
            row(f"{title}: {name}", runs, unit, peer=None if name == "irc" else figures["irc"])
            for name, runs in figures.items()
        ]
    return rows


if __name__ == "__main__":
    main()
