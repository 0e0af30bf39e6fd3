"""What compiling costs, against the time that libyaml needs to read the same file.

    python3.11 benchmarks/compile.py [--python PATH] [--runs 5]

The interpreter has to import irc and its requirements; without one, irc's PEX is packaged in a clone of
HEAD in a temporary folder, removed at the end.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from graphs import GRAPHS
from irc_interpreter import Interpreter, irc_interpreter
from report import Row, Target, row, table

COST = Path(__file__).resolve().parent / "compile_cost.py"

SIZES = (1_000, 10_000)

MODES = ("yaml", "compile", "tests", "cold", "edit")


class Cost(NamedTuple):
    """Figures of the runs of one mode."""

    cpu_s: list[float]
    memory_mb: list[float]


class Compiler:
    """What runs the measured code.

    Args:
        interpreter: imports irc.
        folder: for flows and caches.
    """

    def __init__(self, interpreter: Interpreter, folder: Path) -> None:
        self.interpreter = interpreter
        self.folder = folder

    def costs(self, flow: Path, modes: tuple[str, ...], runs: int) -> dict[str, Cost]:
        """The cost of each mode, one after the other in each run."""
        found = {mode: Cost([], []) for mode in modes}
        for _ in range(runs):
            for mode in modes:
                done = self.run([str(COST), str(flow), mode, str(self.folder / "cache")])
                figures = json.loads(done)
                found[mode].cpu_s.append(figures["cpu_s"])
                found[mode].memory_mb.append(figures["memory_mb"])
        return found

    def help_s(self, runs: int) -> list[float]:
        """Seconds of `irc --help`, from start to exit."""
        seconds = []
        for _ in range(runs):
            started = time.perf_counter()
            self.run(["-m", "irc", "--help"])
            seconds.append(time.perf_counter() - started)
        return seconds

    def run(self, arguments: list[str]) -> str:
        """The output of a script or module."""
        done = subprocess.run(
            [*self.interpreter.command, *arguments],
            env=self.interpreter.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="an interpreter that imports irc")
    parser.add_argument("--runs", type=int, default=5, help="of each figure (default: 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        interpreter = irc_interpreter(options.python, folder)
        print(table(measure(Compiler(interpreter, folder), options.runs)))


def measure(compiler: Compiler, runs: int) -> list[Row]:
    """All figures."""
    rows: list[Row] = []
    for name, graph in GRAPHS.items():
        per_node: list[float] = []
        for size in SIZES:
            flow = compiler.folder / f"{name.replace(' ', '-')}-{size}.yaml"
            flow.write_text(graph(size))
            costs = compiler.costs(flow, MODES, runs)
            per_node.append(median(costs["compile"].cpu_s) / size)
            title = f"{name} of {size:,} nodes"
            rows += rows_of(title, costs, is_large=size == max(SIZES))
        growth = per_node[-1] / per_node[0]
        rows.append(
            Row(f"{name}: time a node at {SIZES[-1]:,}, against {SIZES[0]:,}", ratio=f"{growth:.2f} ×",
                target="≤ 1.2 ×", met="yes" if growth <= 1.2 else "no")
        )  # fmt: skip
    rows.append(
        row("irc --help", [1000 * s for s in compiler.help_s(2 * runs)], "ms", target=Target(150))
    )
    return rows


def rows_of(title: str, costs: dict[str, Cost], *, is_large: bool) -> list[Row]:
    """The lines of one flow."""
    yaml, agent, tests, cold, edit = (costs[mode].cpu_s for mode in MODES)
    rows = [
        row(f"{title}: check and compile : libyaml", agent, "s", peer=yaml,
            target=Target(3, of_ratio=True)),
        row(f"{title}: with its tests : libyaml", tests, "s", peer=yaml),
        row(f"{title}: libyaml", yaml, "s"),
        row(f"{title}: one node edited : cold", edit, "s", peer=cold,
            target=Target(0.4, of_ratio=True)),
        row(f"{title}: cold, with a cache", cold, "s"),
    ]  # fmt: skip
    if is_large:
        memory = costs["tests"].memory_mb
        rows.append(row(f"{title}: memory", memory, "MB", target=Target(200)))
    return rows


if __name__ == "__main__":
    main()
