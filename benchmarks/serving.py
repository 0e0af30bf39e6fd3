"""Agents served by KServe against a bare KServe model that returns a constant.

    python3.11 benchmarks/serving.py [--python PATH] [--rounds 7] [--requests 4000]

The interpreter has to import irc, its runtime and kserve; without one, irc's PEX, which carries them, is
packaged in a clone of HEAD in a temporary folder, removed at the end.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from irc_interpreter import Interpreter, irc_interpreter
from report import Row, Target, row, table
from served_flows import EMPTY, NAME, WHOLE

HERE = Path(__file__).resolve().parent

CONNECTIONS = 16

#: Requests after which the memory of the agent is looked at.
MEMORY_AT = (10_000, 50_000, 100_000)

READY_S = 120.0

BODY = json.dumps({"query": "Where is my parcel?", "session_id": "s1"})


@dataclass(frozen=True)
class Side:
    """What is served: a script with its first argument."""

    name: str
    script: str
    argument: str


class Server:
    """A server, from its start to its end; ``ready_s`` is how long it took to be ready."""

    def __init__(self, side: Side, interpreter: Interpreter, log: Path) -> None:
        self.port = free_port()
        self._log = log.open("ab")
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [*interpreter.command, str(HERE / side.script), side.argument, str(self.port)],
            env=interpreter.environment,
            stdout=self._log,
            stderr=self._log,
        )
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - began > READY_S:
                self._process.kill()
                raise SystemExit(f"{side.name} does not serve:\n{log.read_text(errors='replace')}")
            time.sleep(0.005)
        self.ready_s = time.perf_counter() - began

    def load(self, requests: int) -> Mapping[str, float]:
        """Send requests; what `load.py` says of them."""
        run = subprocess.run(
            [sys.executable, str(HERE / "load.py"), str(self.port), f"/v1/models/{NAME}:predict"]
            + [BODY, str(CONNECTIONS), str(requests)],
            stdout=subprocess.PIPE,
            check=True,
        )
        figures: dict[str, float] = json.loads(run.stdout)
        return figures

    @property
    def cpu_s(self) -> float:
        """The CPU time that the process has taken, as proc(5) has it."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory_mb(self) -> float:
        """The memory that the process has now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/models/{NAME}") as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="an interpreter with irc and kserve (default: irc's PEX)")
    parser.add_argument("--rounds", type=int, default=7, help="of each side (default: 7)")
    parser.add_argument("--requests", type=int, default=4000, help="a round (default: 4000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        interpreter = irc_interpreter(options.python, folder)
        bare = Side("bare model", "bare_model.py", NAME)
        empty = Side("agent", "served_flows.py", compiled(interpreter, folder / "empty", EMPTY))
        whole = Side(
            "whole flow", "served_flows.py", compiled(interpreter, folder / "whole", WHOLE)
        )

        def start(side: Side) -> Server:
            return Server(side, interpreter, folder / "servers.txt")

        rows = load_rows(start, [empty, whole, bare], options.rounds, options.requests)
        rows += ready_rows(start, empty, bare, options.rounds)
        rows += memory_rows(start, whole)
    print(table(rows))


def compiled(interpreter: Interpreter, folder: Path, flow: str) -> str:
    """The generated module of a flow."""
    folder.mkdir()
    (folder / "flow.yaml").write_text(flow)
    arguments = ["compile", "--no-cache", "--output-dir", "compiled", "flow.yaml"]
    subprocess.run(
        [*interpreter.command, "-m", "irc", *arguments],
        env=interpreter.environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return str(folder / "compiled" / "agent.py")


def load_rows(
    start: Callable[[Side], Server], sides: list[Side], rounds: int, requests: int
) -> list[Row]:
    """Requests per second and the 99th percentile, side by side with the last one."""
    figures: dict[str, dict[str, list[float]]] = {side.name: {} for side in sides}
    with ExitStack() as servers:
        running = {side.name: servers.enter_context(start(side)) for side in sides}
        for number in range(rounds + 1):
            print(f"load, round {number} …", file=sys.stderr)
            for name, server in running.items():
                before_s = server.cpu_s
                came = server.load(requests)
                if number > 0:
                    cpu_ms = (server.cpu_s - before_s) / requests * 1000
                    figures[name].setdefault("cpu", []).append(cpu_ms)
                    figures[name].setdefault("ms", []).append(1000 / came["per_s"])
                    figures[name].setdefault("p99", []).append(came["p99_ms"])
    empty, whole, bare = (figures[side.name] for side in sides)
    per_s = {side.name: 1000 / median(figures[side.name]["ms"]) for side in sides}
    return [
        # As time a request: at least 85 % of the requests per second is at most 1 / 0.85 of the time.
        row(
            f"a request: agent ({per_s['agent']:.0f}/s)",
            empty["ms"],
            "ms",
            peer=bare["ms"],
            target=Target(1.176, of_ratio=True),
        ),
        row(
            f"a request: whole flow ({per_s['whole flow']:.0f}/s)",
            whole["ms"],
            "ms",
            peer=bare["ms"],
        ),
        row(f"a request: bare model ({per_s['bare model']:.0f}/s)", bare["ms"], "ms"),
        row("CPU of the server: agent", empty["cpu"], "ms", peer=bare["cpu"]),
        row("CPU of the server: whole flow", whole["cpu"], "ms", peer=bare["cpu"]),
        row("CPU of the server: bare model", bare["cpu"], "ms"),
        row(
            "99th percentile: agent",
            empty["p99"],
            "ms",
            peer=bare["p99"],
            target=Target(1.5, of_ratio=True),
        ),
        row("99th percentile: whole flow", whole["p99"], "ms", peer=bare["p99"]),
        row("99th percentile: bare model", bare["p99"], "ms"),
    ]


def ready_rows(start: Callable[[Side], Server], agent: Side, bare: Side, rounds: int) -> list[Row]:
    """From the start of the process until it is ready, in turn."""
    seconds: dict[str, list[float]] = {agent.name: [], bare.name: []}
    for number in range(rounds):
        print(f"start, round {number} …", file=sys.stderr)
        for side in (agent, bare):
            with start(side) as server:
                seconds[side.name].append(server.ready_s)
    target = Target(1.15, of_ratio=True)
    return [
        row(
            "start to ready: agent",
            seconds[agent.name],
            "s",
            peer=seconds[bare.name],
            target=target,
        ),
        row("start to ready: bare model", seconds[bare.name], "s"),
    ]


def memory_rows(start: Callable[[Side], Server], side: Side) -> list[Row]:
    """The memory of one server after more and more requests; the first look is the peer."""
    rows: list[Row] = []
    first: list[float] = []
    with start(side) as server:
        sent = 0
        for requests in MEMORY_AT:
            print(f"memory, to {requests:,} requests …", file=sys.stderr)
            server.load(requests - sent)
            sent = requests
            now = [server.memory_mb]
            title = f"memory after {requests:,} requests: {side.name}"
            if first:
                rows.append(row(title, now, "MB", peer=first, target=Target(1.05, of_ratio=True)))
            else:
                rows.append(row(title, now, "MB"))
                first = now
    return rows


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
