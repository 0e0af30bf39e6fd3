"""How long `package` of an agent takes, and how large its image is, against plain PEX binaries.

    python3.11 benchmarks/package.py [--cold]

Everything happens in clones of HEAD in a temporary folder, which is removed at the end.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkout import Checkout, Repository, launcher_cache
from report import Row, Target, row, table

AGENT = "flows/support:agent"
DIST = Path("dist/flows.support/agent")
AGENT_BUILD = Path("flows/support/BUILD")
WITHOUT_PEX = ('agent_flow(name="agent"', 'agent_flow(name="agent", layout="none"')
PROMPT = Path("flows/support/prompts/answer.j2")

PEER = Path("flows/bench_peer")
ZIPAPP, PACKED = f"{PEER}:zipapp", f"{PEER}:packed"
PEER_CODE = PEER / "main.py"
PEER_BUILD = """\
python_sources(name="lib")

pex_binary(name="zipapp", entry_point="main.py", dependencies={dependencies})

pex_binary(name="packed", entry_point="main.py", layout="packed", dependencies={dependencies})
"""

#: What the agent is made by, and no part of it.
COMPILER = "//:_irc_compiler"

CPUS = 2

#: Pants hears of an edit from the file system; a run that starts sooner may not see it.
NOTICE_S = 1.0


@dataclass(frozen=True)
class Edit:
    """A file to edit, and where its package shows the edit.

    Attributes:
        file: from the root of the repository.
        mark: what a line of the edit begins with.
        shown: the text in the package, by the root of the repository.
    """

    target: str
    file: Path
    mark: str
    shown: Callable[[Path], str]

    def packaged(self, repository: Repository, text: str) -> float:
        """Add a line to the file, and package; gives the seconds of the latter."""
        line = f"{self.mark}{text}"
        with (repository.root / self.file).open("a") as file:
            file.write(f"\n{line}\n")
        time.sleep(NOTICE_S)
        seconds = repository.timed("package", self.target)
        if line not in self.shown(repository.root):
            raise SystemExit(f"{self.target}: the package lacks the edit of {self.file}")
        return seconds


def in_zipapp(pex: Path, module: Path) -> Callable[[Path], str]:
    """A source as it is in a zipapp; paths from the root, and from the source root."""

    def read(root: Path) -> str:
        with zipfile.ZipFile(root / pex) as archive:
            return archive.read(str(module)).decode()

    return read


#: The generated agent has its prompts.
EDITED_AGENT = Edit(AGENT, PROMPT, "", lambda root: (root / DIST / "agent/agent.py").read_text())
EDITED_PEER = Edit(
    ZIPAPP, PEER_CODE, "# ", in_zipapp(Path(f"dist/flows.{PEER.name}/zipapp.pex"), PEER_CODE)
)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cold", action="store_true", help="build Pants itself anew, too")
    parser.add_argument("--runs", type=int, default=7, help="of each figure (default: 7)")
    options = parser.parse_args()
    keep_to_two_cpus()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        print(table(measure(Path(temporary), options.cold, options.runs)))


def keep_to_two_cpus() -> None:
    """This process and those that it starts; all take part where a system has no way to say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CPUS])


def measure(folder: Path, cold: bool, runs: int) -> list[Row]:
    """All figures.

    Args:
        folder: takes the clones.
        cold: whether the clones share nothing, not even Pants itself.
        runs: of each figure but the first, which takes minutes.
    """
    cache = None if cold else launcher_cache()
    seconds, digests = [], []
    with Checkout(folder / "another-folder-with-a-longer-name", cache) as other:
        say("first package, in a clone with empty caches")
        seconds.append(other.timed("package", AGENT))
        digests.append(image(other)["manifest_digest"])
    with Checkout(folder / "clone", cache) as checkout:
        say("first package, in a second clone with empty caches of its own")
        seconds.append(checkout.timed("package", AGENT))
        digests.append(image(checkout)["manifest_digest"])
        rows = [
            row("package, fresh clone, empty caches", seconds, "s", target=Target(300))
            if cold
            else row("package, empty caches but Pants at hand", seconds, "s"),
        ]
        sizes = size_rows(checkout)
        say("first package of the peers")
        write_peer(checkout, AGENT, PEER, PEER_BUILD)
        checkout.pants("package", ZIPAPP, PACKED)
        rows += no_op_rows(checkout, runs)
        rows += edit_rows(checkout, EDITED_AGENT, EDITED_PEER, runs)
        rows += image_alone_rows(checkout, runs)
    same = len(set(digests)) == 1
    equal = Row(
        "image digests of two builds, different folders",
        "equal" if same else "different",
        target="equal",
        met="yes" if same else "no",
    )
    return [*rows, *sizes, equal]


def no_op_rows(checkout: Checkout, runs: int) -> list[Row]:
    """Packaging what is packaged already: agent and peers in turn."""
    say("package with nothing to do")
    seconds = packaged_again(checkout, (AGENT, ZIPAPP, PACKED), runs)
    return [
        row(
            "no-op package, agent : zipapp pex_binary",
            seconds[AGENT],
            "s",
            peer=seconds[ZIPAPP],
            target=Target(1.15, of_ratio=True),
        ),
        row("no-op package, agent : packed pex_binary", seconds[AGENT], "s", peer=seconds[PACKED]),
        row("no-op package, zipapp pex_binary", seconds[ZIPAPP], "s"),
        row("no-op package, packed pex_binary", seconds[PACKED], "s"),
    ]


def packaged_again(
    repository: Repository, targets: Sequence[str], runs: int
) -> dict[str, list[float]]:
    """The seconds of packaging what is packaged already, by target; in turn."""
    for target in targets:
        repository.pants("package", target)
    seconds: dict[str, list[float]] = {target: [] for target in targets}
    for _ in range(runs):
        for target, measured in seconds.items():
            measured.append(repository.timed("package", target))
    return seconds


def image_alone_rows(checkout: Checkout, runs: int) -> list[Row]:
    """Packaging what is packaged already, without a PEX."""
    say("package with nothing to do, the image alone")
    build = checkout.root / AGENT_BUILD
    build.write_text(build.read_text().replace(*WITHOUT_PEX))
    seconds = packaged_again(checkout, (AGENT, ZIPAPP), runs)
    if (checkout.root / DIST / "agent.pex").exists():
        raise SystemExit(f"{AGENT}: the package has a PEX that it should not have")
    return [
        row(
            "no-op package, agent without PEX : zipapp pex_binary",
            seconds[AGENT],
            "s",
            peer=seconds[ZIPAPP],
            target=Target(1.15, of_ratio=True),
        )
    ]


def edit_rows(repository: Repository, agent: Edit, peer: Edit, runs: int) -> list[Row]:
    """Packaging after an edit: of the agent's prompt, and in turn of the peer's source."""
    say("package after an edit")
    seconds: dict[Edit, list[float]] = {agent: [], peer: []}
    for number in range(runs):
        for edit, measured in seconds.items():
            measured.append(edit.packaged(repository, f"Edit {number}."))
    return [
        row(
            "edited prompt to package : edited zipapp pex_binary",
            seconds[agent],
            "s",
            peer=seconds[peer],
            target=Target(0.1, of_ratio=True),
        ),
        row("edited source to zipapp pex_binary", seconds[peer], "s"),
    ]


def size_rows(checkout: Checkout) -> list[Row]:
    """Layers that hold the agent's own code, what changes move, and all blobs of the image."""
    sizes: dict[str, float] = {}
    facts = image(checkout)
    for layer in facts["layers"]:
        sizes[layer["role"]] = sizes.get(layer["role"], 0) + layer["size"] / 1e3
    blobs = checkout.root / DIST / "image/blobs/sha256"
    total_mb = sum(blob.stat().st_size for blob in blobs.iterdir()) / 1e6
    documents = (facts[name].removeprefix("sha256:") for name in ("manifest_digest", "config_digest"))
    edit_kb = sizes["flow"] + sum((blobs / name).stat().st_size for name in documents) / 1e3
    # The uppermost of requirements: distributions of less than 150 kB, most of all.
    small_kb = [item["size"] / 1e3 for item in facts["layers"] if item["role"] == "third-party"][-1]
    return [
        row("layer of the flow, compressed", [sizes["flow"]], "kB", target=Target(20)),
        row(
            "pushed after an edit, with manifest and configuration",
            [edit_kb],
            "kB",
            target=Target(8),
        ),
        row("layer of the runtime, compressed", [sizes["first-party"]], "kB"),
        row("layer of small requirements, compressed", [small_kb], "kB", target=Target(1000)),
        row("image, compressed", [total_mb], "MB", target=Target(130)),
    ]


def image(checkout: Checkout) -> dict[str, Any]:
    """What the package says of its image."""
    facts: dict[str, Any] = json.loads((checkout.root / DIST / "image.json").read_text())
    return facts


def write_peer(repository: Repository, agent: str, folder: Path, build: str) -> None:
    """Add PEX binaries that depend on all that an agent depends on.

    Args:
        build: text of their BUILD file, with a place for the dependencies.
    """
    found = set(repository.pants("dependencies", agent).split()) - {COMPILER}
    place = repository.root / folder
    place.mkdir()
    (place / "main.py").write_text('"""Stands where an agent would."""\n')
    (place / "BUILD").write_text(build.format(dependencies=json.dumps(sorted(found))))


def say(step: str) -> None:
    """Tell the user what is being measured."""
    print(f"{step} …", file=sys.stderr)


if __name__ == "__main__":
    main()
