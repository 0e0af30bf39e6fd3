"""What goals over a repository of many flows take, against one flow or one process at a time.

    python3.11 benchmarks/scale.py [--flows N]

The repositories are generated in a temporary folder, which is removed at the end.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from checkout import Repository, launcher_cache
from monorepo import Monorepo, write_monorepo
from report import Row, Target, row, table

#: So many are compiled, or tested, one process each: what that takes for all is more of the same.
ALONE = 40

#: Pants hears of an edit from the file system; a run that starts sooner may not see it.
NOTICE_S = 2.0

CHECK = ("check", "--only=irc")
TEST = ("test", "--force")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flows", type=int, default=500, help="default: 500")
    parser.add_argument("--runs", type=int, default=3, help="of each figure (default: 3)")
    parser.add_argument("--packages", type=int, default=10,
                        help="how many flows are packaged at once (default: 10)")  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        many = write_monorepo(folder / "many", options.flows)
        one = write_monorepo(folder / "one", 1)
        # One home: what one repository has built, the other finds.
        with (
            Repository(many.root, folder / "own", launcher_cache()) as large,
            Repository(one.root, folder / "own", launcher_cache()) as small,
        ):
            rows = [
                *compile_rows(large, many, options.runs),
                *list_rows(large, options.runs),
                *test_rows(large, many, options.runs),
                memory_row(large, "memory of the daemon, after check, lint and test"),
                *edit_rows(large, many, small, one, options.runs),
                *package_rows(large, many, options.packages, options.runs),
                memory_row(large, "memory of the daemon, after packages as well"),
            ]
    print(table(rows))


def compile_rows(repository: Repository, monorepo: Monorepo, runs: int) -> list[Row]:
    """All flows changed, in batches and one process each; in turn."""
    say("the compiler")
    repository.pants(*CHECK, "::")
    together, alone = [], []
    some = monorepo.addresses[:ALONE]
    for _ in range(runs):
        say(f"compile {monorepo.flow_count} flows in batches, {len(some)} one by one")
        edit_all(monorepo)
        repository.pants("list", "::")
        together.append(1e3 * repository.timed(*CHECK, "::") / monorepo.flow_count)
        edit_all(monorepo)
        repository.pants("list", "::")
        alone.append(1e3 * repository.timed("export-codegen", *some) / len(some))
    return [
        row(
            "cold compile of a flow, all in batches : a process each",
            together,
            "ms",
            peer=alone,
            target=Target(1 / 20, of_ratio=True),
        ),
        row("cold compile of a flow, a process each", alone, "ms"),
    ]


def list_rows(repository: Repository, runs: int) -> list[Row]:
    """With nothing to do: all flows linted, against all targets listed; in turn."""
    say("lint with nothing to do")
    lint, listed = [], []
    for goal in ("lint", "list"):
        repository.pants(goal, "::")
    for _ in range(max(runs, 7)):
        lint.append(repository.timed("lint", "::"))
        listed.append(repository.timed("list", "::"))
    return [
        row(
            "no-op lint :: : no-op list ::",
            lint,
            "s",
            peer=listed,
            target=Target(1.3, of_ratio=True),
        ),
        row("no-op list ::", listed, "s"),
    ]


def test_rows(repository: Repository, monorepo: Monorepo, runs: int) -> list[Row]:
    """The generated tests of all flows, in batches and one pytest each; in turn."""
    say("the tests' requirements")
    repository.pants(*TEST, "::")
    some = monorepo.addresses[:ALONE]
    together, alone = [], []
    for _ in range(runs):
        say(f"test {monorepo.flow_count} flows in batches, {len(some)} one by one")
        together.append(1e3 * repository.timed(*TEST, "::") / monorepo.flow_count)
        one_by_one = (*TEST, "--batch-size=1", *some)
        alone.append(1e3 * repository.timed(*one_by_one) / len(some))
    return [
        row(
            "generated tests of a flow, all in batches : a pytest each",
            together,
            "ms",
            peer=alone,
            target=Target(1 / 10, of_ratio=True),
        ),
        row("generated tests of a flow, a pytest each", alone, "ms"),
    ]


def edit_rows(
    large: Repository, many: Monorepo, small: Repository, one: Monorepo, runs: int
) -> list[Row]:
    """One flow edited and packaged, in the repository of many flows and in that of one; in turn."""
    say("the first package in each repository")
    sides: list[tuple[Repository, Monorepo, list[float]]] = [(large, many, []), (small, one, [])]
    for repository, monorepo, _ in sides:
        repository.pants("package", monorepo.addresses[-1])
    for number in range(max(runs, 5)):
        say("one edit, one package")
        for repository, monorepo, seconds in sides:
            prompt = monorepo.root / monorepo.folders[-1] / "prompts/answer.j2"
            prompt.write_text(f"{prompt.read_text()}Edit {number}.\n")
            time.sleep(NOTICE_S)
            seconds.append(repository.timed("package", monorepo.addresses[-1]))
            name = monorepo.folders[-1].replace("/", ".")
            packaged = monorepo.root / f"dist/{name}/agent/agent/agent.py"
            if f"Edit {number}." not in packaged.read_text():
                raise SystemExit(f"the package lacks the edit of {prompt}")
    in_many, in_one = (seconds for _, _, seconds in sides)
    return [
        row(
            "edited prompt to package, of many flows : of one",
            in_many,
            "s",
            peer=in_one,
            target=Target(1.5, of_ratio=True),
        ),
        row("edited prompt to package, in a repository of one flow", in_one, "s"),
    ]


def package_rows(
    repository: Repository, monorepo: Monorepo, package_count: int, runs: int
) -> list[Row]:
    """Several flows packaged with nothing to do, and what lies in dist/ then."""
    say(f"package {package_count} flows with nothing to do")
    some = monorepo.addresses[:package_count]
    repository.pants("package", *some)
    seconds = [repository.timed("package", *some) for _ in range(runs)]
    folders = [folder.replace("/", ".") for folder in monorepo.folders[:package_count]]
    size_mb = sum(
        file.stat().st_size
        for folder in folders
        for file in (monorepo.root / "dist" / folder).rglob("*")
        if file.is_file()
    ) / 1e6  # fmt: skip
    return [
        row(f"no-op package of {package_count} flows", seconds, "s"),
        row("what Pants writes for each of them anew", [size_mb / package_count], "MB"),
    ]


def memory_row(repository: Repository, figure: str) -> Row:
    """The resident memory of the repository's daemon."""
    status = Path(f"/proc/{repository.daemon()}/status").read_text()
    [memory_kb] = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return row(figure, [int(memory_kb) / 1e3], "MB", target=Target(2000))


def edit_all(monorepo: Monorepo) -> None:
    """Change each node of each flow, so that nothing of them is in any cache."""
    for folder in monorepo.folders:
        flow = monorepo.root / folder / "flow.yaml"
        text = re.sub(r"Edition \d+\.", f"Edition {time.time_ns()}.", flow.read_text())
        flow.write_text(text)
    time.sleep(NOTICE_S)


def say(step: str) -> None:
    """Tell the user what is being measured."""
    print(f"{step} …", file=sys.stderr)


if __name__ == "__main__":
    main()
