"""Which of ten planted defects irc and its peers find before a flow runs, and where they point.

    python3.11 benchmarks/defects.py [--python PATH] [--peer PEER ...]

Each defect stands in a small flow of each language, in `peers/<peer>/`, on a line that says so. The
peers are installed from the package index into a temporary folder, removed at the end.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inexpressible import INEXPRESSIBLE
from irc_interpreter import Interpreter, irc_interpreter
from peer import CHECKS, PEERS, NotInstalledError, Peer, Run, run, version

DEFECTS = {
    "type_mismatch": "type mismatch",
    "unknown_node": "unknown node",
    "unknown_port": "unknown port",
    "missing_input": "missing input",
    "cycle": "cycle",
    "dead_node": "dead node",
    "undeclared_context": "undeclared context",
    "bad_template": "bad template",
    "bad_schema": "bad schema",
    "double_delivery": "double delivery",
}

MARK = "the defect"

#: What a message says where it names a node.
NODES = r"\b(shout|shuot|count|whisper|answer|nodes\.\d+)\b"

#: The name of an exception, as peers form them.
EXCEPTION = r"\w+(?:Error|Exception|Dependency|NotFound)"

#: Of a message, in the table of words.
LONGEST = 180


@dataclass(frozen=True)
class Finding:
    """What became of one defect.

    Args:
        place: what the message points to; empty where the defect was not found.
        words: the message; for a defect that cannot be written, the reason.
    """

    place: str = ""
    words: str = ""
    is_expressible: bool = True
    is_at_load: bool = False

    @property
    def cell(self) -> str:
        """The cell of the table."""
        if not self.is_expressible:
            return "n/a"
        if not self.place:
            return "missed"
        return f"at load: {self.place}" if self.is_at_load else self.place


Findings = dict[str, Finding]


def main() -> None:
    """Check all flows, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", help="an interpreter that imports irc (default: a PEX of HEAD)")
    parser.add_argument("--peer", action="append", choices=list(CHECKS), help="default: all")
    options = parser.parse_args()
    found: dict[str, Findings] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        found["irc"] = findings_of_irc(irc_interpreter(options.python, folder), folder)
        for name in options.peer or CHECKS:
            print(f"{version(name)} …", file=sys.stderr)
            try:
                found[name] = findings_of(Peer(name, folder))
            except NotInstalledError as error:
                failed[name] = str(error)
    print(
        "\n\n".join([matrix(found, failed), *versions(found, failed), words(found), reasons(found)])
    )


def findings_of_irc(irc: Interpreter, folder: Path) -> Findings:
    """What `irc check` says of each flow."""

    def check(case: str) -> Run:
        arguments = [*irc.command, "-m", "irc", "check", f"irc/{case}.flow.yaml"]
        done = run(arguments, irc.environment, PEERS, folder / "irc.txt")
        # A warning leaves the exit status at 0; a flow without any is said to be valid and no more.
        return Run(done.output == "1 flow is valid\n", done.output, done.cpu_s, done.memory_mb)

    require(check("good"), "irc")
    return {case: finding(check(case), PEERS / "irc" / f"{case}.flow.yaml") for case in DEFECTS}


def findings_of(peer: Peer) -> Findings:
    """What a peer's check says of each flow."""
    suffix = "" if peer.name == "promptflow" else ".py"
    require(peer.check(peer.folder / f"good{suffix}"), peer.name)
    found: Findings = {}
    for case in DEFECTS:
        flow = peer.folder / f"{case}{suffix}"
        reason = INEXPRESSIBLE[peer.name].get(case)
        if reason is not None:
            assert not flow.exists(), flow
            found[case] = Finding(words=reason, is_expressible=False)
            continue
        found[case] = finding(peer.check(flow), flow)
        if peer.name == "promptflow" and not found[case].place:
            loaded = peer.run("{python}", "load.py", "{flow}", flow=flow)
            found[case] = finding(loaded, flow, is_at_load=True)
    return found


def require(good: Run, name: str) -> None:
    """End with its output where a flow without a defect is refused."""
    if not good.ok:
        sys.stderr.write(good.output)
        raise SystemExit(f"{name}: the flow without a defect is refused")


def finding(done: Run, flow: Path, *, is_at_load: bool = False) -> Finding:
    """What a run of a check says of the defect in a flow."""
    if done.ok:
        return Finding()
    return Finding(place(done.output, flow), message(done.output), is_at_load=is_at_load)


def place(output: str, flow: Path) -> str:
    """What the output points to: the defect's line, or a node."""
    line = marked_line(flow)
    others = rf'^ *File "(?!{re.escape(str(flow))}).*'  # frames of the peer's own code
    output = re.sub(others, "", output, flags=re.MULTILINE)
    if re.search(rf"(?::|line ){line}(?:, column |:)\d", output):
        return "line, column"
    if re.search(rf"line {line}\b", output):
        return "line"
    named = re.search(NODES, message(output))
    return "node" if named else "no place"


def marked_line(flow: Path) -> int:
    """The number of the line that holds the defect; flows of promptflow are folders."""
    files = [flow] if flow.is_file() else sorted(flow.rglob("*.*"))
    texts = [file.read_text() for file in files if file.is_file()]
    lines = [
        number for text in texts for number, line in enumerate(text.splitlines(), 1) if MARK in line
    ]
    assert len(lines) == 1, flow
    return lines[0]


def message(output: str) -> str:
    """The words of an error: of irc, of a traceback, or of promptflow's JSON."""
    started = re.search(r"^(?:irc/\S+: )?(\w+\[\w+\]: .*)", output, re.MULTILINE)
    if started is not None:
        return started[1]
    if output.startswith("{"):
        report, _ = json.JSONDecoder().raw_decode(output)
        error = report["errors"][0]
        return f"{error['yaml_path']}: {error['message']}"
    raised = list(re.finditer(rf"^(?:\w+\.)*({EXCEPTION}): ", output, re.MULTILINE))
    text = output[raised[-1].start(1) :]
    return " ".join(text.partition(" [type=")[0].split())


def matrix(found: dict[str, Findings], failed: Iterable[str]) -> str:
    """Where each finds each defect; columns without a figure for peers that do not install."""
    lines = [["defect", *found]]
    for case, title in DEFECTS.items():
        lines.append([title, *(findings[case].cell for findings in found.values())])
    lines.append(["**found**", *map(score, found.values())])
    for name in failed:
        for line, cell in zip(lines, [name, *[""] * len(DEFECTS), "not installed"], strict=True):
            line.append(cell)
    return markdown(lines)


def score(findings: Findings) -> str:
    """How many of those that can be written are found."""
    expressible = [item for item in findings.values() if item.is_expressible]
    found = sum(bool(item.place) and not item.is_at_load for item in expressible)
    loaded = sum(bool(item.place) and item.is_at_load for item in expressible)
    return f"{found} of {len(expressible)}" + (f", {loaded} more at load" if loaded else "")


def versions(found: dict[str, Findings], failed: dict[str, str]) -> list[str]:
    """What was installed, and what could not be."""
    installed = [f"`{version(name)}`" for name in found if name != "irc"]
    lines = [f"Versions: {', '.join(installed)}, with Python {sys.version.split()[0]}."]
    lines += [f"`{version(name)}` does not install: {reason}" for name, reason in failed.items()]
    return lines


def words(found: dict[str, Findings]) -> str:
    """What each says."""
    lines = [["defect", "found by", "words"]]
    for case, title in DEFECTS.items():
        for name, findings in found.items():
            if findings[case].place:
                text = findings[case].words
                cut = text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
                lines.append([title, name, cut.replace("|", "\\|").replace("<", "\\<")])
    return markdown(lines)


def reasons(found: dict[str, Findings]) -> str:
    """Why a defect cannot be written in a language."""
    lines = [["n/a", "in", "because"]]
    for case, title in DEFECTS.items():
        for name, findings in found.items():
            if not findings[case].is_expressible:
                lines.append([title, name, findings[case].words])
    return markdown(lines)


def markdown(lines: list[list[str]]) -> str:
    """A table; the first line holds the headings."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


if __name__ == "__main__":
    main()
