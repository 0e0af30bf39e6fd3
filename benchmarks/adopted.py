"""How long `package` takes where irc comes as wheels, as in a repository that adopts it; against a PEX binary.

    ./pants package src/python:: pants-plugins:irc-pants-dist && ./pants run benchmarks/adopted.py

The repository is that of docs/adopting.md, in a temporary folder, which is removed at the end.
"""

import argparse
import tempfile
from pathlib import Path

from checkout import Repository
from package import (
    Edit,
    edit_rows,
    in_zipapp,
    keep_to_two_cpus,
    packaged_again,
    say,
    write_peer,
)
from report import Row, Target, row, table

from tests.adopting.adopter import adopt

AGENTS = Path("code/acme/agents")
AGENT = f"{AGENTS}/triage:triage"
GENERATED = Path("dist/code.acme.agents.triage/triage/agent/agent.py")
PEER = AGENTS / "peer"
ZIPAPP = f"{PEER}:zipapp"
PEX = Path("dist/code.acme.agents.peer/zipapp.pex")
PEER_BUILD = """\
python_sources(name="lib")

pex_binary(name="zipapp", entry_point="main.py", dependencies={dependencies})
"""


EDITED_AGENT = Edit(
    AGENT, AGENTS / "triage/decide.j2", "", lambda root: (root / GENERATED).read_text()
)
EDITED_PEER = Edit(ZIPAPP, PEER / "main.py", "# ", in_zipapp(PEX, Path("acme/agents/peer/main.py")))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheels", type=Path, default=Path("dist"), help="default: dist")
    parser.add_argument("--runs", type=int, default=7, help="of each figure (default: 7)")
    options = parser.parse_args()
    keep_to_two_cpus()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        say("locks")
        with adopt(Path(temporary), options.wheels) as repository:
            print(table(measure(repository, options.runs)))


def measure(repository: Repository, runs: int) -> list[Row]:
    """Packaging with nothing to do, and after an edit; agent and peer in turn."""
    say("first package")
    write_peer(repository, AGENT, PEER, PEER_BUILD)
    seconds = packaged_again(repository, (AGENT, ZIPAPP), runs)
    return [
        row(
            "no-op package, agent : zipapp pex_binary",
            seconds[AGENT],
            "s",
            peer=seconds[ZIPAPP],
            target=Target(1.15, of_ratio=True),
        ),
        row("no-op package, zipapp pex_binary", seconds[ZIPAPP], "s"),
        *edit_rows(repository, EDITED_AGENT, EDITED_PEER, runs),
    ]


if __name__ == "__main__":
    main()
