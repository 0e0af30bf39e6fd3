"""How long `package` takes where irc comes as wheels, as in a repository that adopts it; against a PEX binary.

    ./pants package src/python:: pants-plugins:irc-pants-dist && ./pants run benchmarks/adopted.py

The repository is that of docs/adopting.md, in a temporary folder, which is removed at the end.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

from checkout import Repository
from package import COMPILER, edited, packaged_again, say
from report import Row, Target, row, table

from tests.adopting.adopter import adopt

AGENTS = Path("code/acme/agents")
AGENT = f"{AGENTS}/triage:triage"
PROMPT = AGENTS / "triage/decide.j2"
PEER = f"{AGENTS}/peer:zipapp"
PEER_CODE = AGENTS / "peer/main.py"
PEER_BUILD = """\
python_sources(name="lib")

pex_binary(name="zipapp", entry_point="main.py", dependencies={dependencies})
"""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheels", type=Path, default=Path("dist"), help="default: dist")
    parser.add_argument("--runs", type=int, default=7, help="of each figure (default: 7)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        say("locks")
        with adopt(Path(temporary), options.wheels) as repository:
            print(table(measure(repository, options.runs)))


def measure(repository: Repository, runs: int) -> list[Row]:
    """Packaging with nothing to do, and after an edit; agent and peer in turn."""
    say("first package")
    write_peer(repository)
    again = packaged_again(repository, (AGENT, PEER), runs)
    say("package after an edit")
    agent, peer = [], []
    for number in range(runs):
        text = f"Edit {number}."
        agent.append(edited(repository, PROMPT, text, AGENT, packaged_agent))
        peer.append(edited(repository, PEER_CODE, f"# {text}", PEER, packaged_peer))
    return [
        row(
            "no-op package, agent : zipapp pex_binary",
            again[AGENT],
            "s",
            peer=again[PEER],
            target=Target(1.15, of_ratio=True),
        ),
        row("no-op package, zipapp pex_binary", again[PEER], "s"),
        row(
            "edited prompt to package : edited zipapp pex_binary",
            agent,
            "s",
            peer=peer,
            target=Target(0.1, of_ratio=True),
        ),
        row("edited source to zipapp pex_binary", peer, "s"),
    ]


def write_peer(repository: Repository) -> None:
    """Add a plain PEX binary that depends on all that the agent depends on."""
    found = set(repository.pants("dependencies", AGENT).split()) - {COMPILER}
    code = repository.root / PEER_CODE
    code.parent.mkdir()
    code.write_text('"""Stands where an agent would."""\n')
    build = PEER_BUILD.format(dependencies=json.dumps(sorted(found)))
    (code.parent / "BUILD").write_text(build)


def packaged_agent(repository: Repository) -> str:
    """The generated agent, prompts included."""
    generated = repository.root / "dist/code.acme.agents.triage/triage/agent/agent.py"
    return generated.read_text()


def packaged_peer(repository: Repository) -> str:
    """The peer's source as it is in the zipapp."""
    with zipfile.ZipFile(repository.root / "dist/code.acme.agents.peer/zipapp.pex") as pex:
        return pex.read("acme/agents/peer/main.py").decode()


if __name__ == "__main__":
    main()
