"""What a request costs in irc, by hand in asyncio, and in peers, on the same flows.

    python3.11 benchmarks/execution.py [--python PATH] [--rounds 7] [--peer PEER ...]

Each side is a process of its own, which is asked in turn with the others. The peers are installed from the
package index into a temporary folder, removed at the end.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from irc_interpreter import Interpreter, irc_interpreter
from peer import NotInstalledError, Peer, version
from peer_graphs import WRITERS
from report import Row, Target, row, table
from request_graphs import GRAPHS, WAITING, flow

COST = Path(__file__).resolve().parent / "execution_cost.py"

PEERS = ("langgraph", "haystack", "promptflow")

#: Of a node, in all requests of a round; a peer answers fewer, so that a round takes a second or two.
EXECUTIONS = {"irc": 20_000, "by hand": 20_000}
PEERS_EXECUTIONS = 1_000


class Side:
    """A process that says what requests cost it.

    Args:
        name: as in `execution_cost.SIDES`.
        command: an interpreter with what the side needs.
        folder: has the side's flows.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [*command, str(COST), name, str(folder)],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cost_us(self, graph: str) -> float:
        """Microseconds of CPU for each request of a round."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        executions = EXECUTIONS.get(self.name, PEERS_EXECUTIONS)
        nodes = len((GRAPHS | WAITING)[graph])
        print(
            json.dumps([graph, max(1, executions // nodes)]), file=self._process.stdin, flush=True
        )
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{graph}: {self.name} failed")
        return float(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="an interpreter that imports irc (default: a PEX of HEAD)")
    parser.add_argument("--rounds", type=int, default=7, help="of each figure (default: 7)")
    parser.add_argument("--peer", action="append", choices=PEERS, help="default: all")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary,
        ExitStack() as processes,
    ):
        folder = Path(temporary)
        interpreter = irc_interpreter(options.python, folder)
        compiled(interpreter, folder / "irc")
        ours = [
            processes.enter_context(
                Side(name, interpreter.command, interpreter.environment, folder / "irc")
            )
            for name in ("irc", "by hand")
        ]
        peers = []
        for name in options.peer or PEERS:
            try:
                peers.append(processes.enter_context(peer_side(Peer(name, folder))))
            except NotInstalledError as error:
                print(f"{version(name)} does not install: {error}", file=sys.stderr)
        rows: list[Row] = []
        costs: dict[str, float] = {}
        for name, graph in (GRAPHS | WAITING).items():
            sides = [*ours, *([] if name in WAITING else peers)]
            figures = measured(name, sides, options.rounds)
            rows += rows_of(name, figures)
            costs[name] = median(figures["irc"]) / len(graph)
    print(table(rows))
    for small, large in (("chain of 10", "chain of 100"), ("fan-out of 10", "fan-out of 100")):
        print(f"a node of a {large} costs {costs[large] / costs[small]:.2f} × one of a {small}")


def compiled(interpreter: Interpreter, folder: Path) -> None:
    """Compile the flows, each into a folder of its name."""
    for name, graph in (GRAPHS | WAITING).items():
        own = folder / name.replace(" ", "_")
        own.mkdir(parents=True)
        (own / "flow.yaml").write_text(flow(graph, waits=name in WAITING))
        subprocess.run(
            [
                *interpreter.command,
                "-m",
                "irc",
                "compile",
                "--no-cache",
                "--output-dir",
                "compiled",
                "flow.yaml",
            ],
            env=interpreter.environment,
            cwd=own,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def peer_side(peer: Peer) -> Side:
    """A peer, with the graphs in its language."""
    for name, graph in GRAPHS.items():
        own = peer.folder / name.replace(" ", "_")
        own.mkdir()
        for file, text in WRITERS[peer.name](graph).items():
            (own / file).write_text(text)
    return Side(peer.name, [str(peer.python)], peer.environment, peer.folder)


def measured(graph: str, sides: Sequence[Side], rounds: int) -> dict[str, list[float]]:
    """The cost of each side, in turn, after a round that is not counted."""
    figures: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        print(f"{graph}, round {number} …", file=sys.stderr)
        for side in sides:
            cost_us = side.cost_us(graph)
            if number > 0:
                figures[side.name].append(cost_us)
    return figures


def rows_of(graph: str, figures: Mapping[str, list[float]]) -> list[Row]:
    """irc against the flow by hand, and against the peer that needs least."""
    irc, by_hand = figures["irc"], figures["by hand"]
    rows = [
        row(f"{graph}: irc", irc, "µs", peer=by_hand, target=Target(1.3, of_ratio=True)),
        row(f"{graph}: by hand", by_hand, "µs"),
    ]
    peers = {name: runs for name, runs in figures.items() if name in PEERS}
    if peers:
        best = min(peers, key=lambda name: median(peers[name]))
        rows.append(
            row(
                f"{graph}: irc, to {best}",
                irc,
                "µs",
                peer=peers[best],
                target=Target(0.1, of_ratio=True),
            )
        )
        rows += [row(f"{graph}: {name}", runs, "µs", peer=irc) for name, runs in peers.items()]
    return rows


if __name__ == "__main__":
    main()
