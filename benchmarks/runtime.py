"""What a request costs in a generated agent, against the same flow written by hand in asyncio.

    python3.11 benchmarks/runtime.py [--pex dist/flows.support/agent/agent.pex]

Without a PEX, the agent is packaged in a clone of HEAD in a temporary folder, removed at the end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checkout import Checkout, launcher_cache
from report import Target, row, table

AGENT = "flows/support:agent"
PEX = Path("dist/flows.support/agent/agent.pex")

MEASURED = Path(__file__).resolve().parent / "overhead.py"

CASES = {
    "whole": "request to flows/support, edges stubbed",
    "empty": "the same, nodes giving constants",
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pex", type=Path, help="the packaged agent of flows/support")
    parser.add_argument("--rounds", type=int, default=15, help="of each side (default: 15)")
    parser.add_argument("--requests", type=int, default=2000, help="a round (default: 2000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        pex_root = Path(temporary) / "pex"
        if options.pex is not None:
            figures = measure(options.pex, pex_root, options.rounds, options.requests)
        else:
            print(f"packaging {AGENT} …", file=sys.stderr)
            with Checkout(Path(temporary) / "clone", launcher_cache()) as checkout:
                checkout.pants("package", AGENT)
            figures = measure(checkout.root / PEX, pex_root, options.rounds, options.requests)
    rows = []
    for case, name in CASES.items():
        agent, by_hand = figures[case]["agent"], figures[case]["by hand"]
        rows += [
            row(
                f"{name}: agent",
                agent,
                "µs",
                peer=by_hand,
                target=Target(1.3, of_ratio=True),
            ),
            row(f"{name}: by hand", by_hand, "µs"),
        ]
    print(table(rows))


def measure(
    pex: Path, pex_root: Path, rounds: int, requests: int
) -> dict[str, dict[str, list[float]]]:
    """Microseconds of CPU a request, by case, side and round.

    Args:
        pex: an agent's PEX, as an interpreter with its code and requirements.
        pex_root: where the PEX unpacks itself.
    """
    run = subprocess.run(
        [sys.executable, str(pex), str(MEASURED), str(rounds), str(requests)],
        env={
            **os.environ,
            "PEX_INTERPRETER": "1",
            "PEX_EXTRA_SYS_PATH": str(MEASURED.parent),
            "PEX_ROOT": str(pex_root),
        },
        stdout=subprocess.PIPE,
        check=False,
    )
    if run.returncode != 0:
        raise SystemExit(f"{MEASURED.name}: exit status {run.returncode}")
    figures: dict[str, dict[str, list[float]]] = json.loads(run.stdout)
    return figures


if __name__ == "__main__":
    main()
