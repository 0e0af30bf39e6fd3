"""The golden tree: what bad flows are told, and what good flows become.

``tests/golden/<case>/`` holds a flow and either ``errors.txt`` (the findings as a user reads them)
or ``expected/`` (the generated files). ``--update`` rewrites both.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from irc.codes import CODES
from irc.files import write_files
from irc.pipeline import Result, check, generate
from irc.render.text import render_text

GOLDEN = Path("tests/golden")
CASES = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
BAD = [case for case in CASES if not (case / "expected").is_dir()]
GOOD = [case for case in CASES if (case / "expected").is_dir()]

ELSEWHERE = {
    "E107": "needs a file that cannot be read; tests/irc/test_cli.py",
    "E208": "needs a package; tests/irc/test_operations_package.py",
    "E901": "needs a crash; tests/irc/test_cli.py",
}
"""Codes that no flow in the golden tree can show."""

IMPORT_PATH = [str(Path(entry).resolve()) for entry in sys.path]


def flow_of(case: Path) -> Path:
    """The case's flow: ``flow.yaml`` or ``flow.json``."""
    return next(path for path in sorted(case.iterdir()) if path.name in {"flow.yaml", "flow.json"})


def checked(case: Path) -> Result:
    """The case's flow, checked as if its folder were the root of a repository."""
    return check(flow_of(case).name, lambda name: (case / name).read_bytes())


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_flow_is_told_what_is_wrong(case: Path, update: bool) -> None:
    result = checked(case)
    text = render_text(result.report, result.sources)
    expected = case / "errors.txt"
    if update:
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")
    assert result.report.has_errors == (result.compiled is None)


def test_every_code_has_a_case() -> None:
    told = {item.code for case in CASES for item in checked(case).report}
    assert told | set(ELSEWHERE) == set(CODES)


def test_there_are_cases_of_each_family() -> None:
    families = {case.name.partition("_")[0] for case in BAD}
    assert families >= {"id", "port", "edge", "context", "cycle", "template", "code", "state"}
    assert len(BAD) >= 60
    assert len(GOOD) >= 8


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_good_flow_becomes_what_is_expected(case: Path, update: bool) -> None:
    result = checked(case)
    assert result.compiled is not None, render_text(result.report, result.sources)
    files = generate(result.compiled)
    expected = case / "expected"
    if update:
        shutil.rmtree(expected)
        write_files(expected, files)
    assert {path.name for path in expected.iterdir()} == set(files)
    for name, text in files.items():
        assert text == (expected / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_generated_tests_pass(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flow"
    shutil.copytree(case, folder)
    shutil.copytree(case / "expected", folder, dirs_exist_ok=True)
    shutil.rmtree(folder / "expected")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *IMPORT_PATH])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_agent.py"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> list[str]:
    """The command of a tool in this environment; skips the test where it is missing."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not in this environment")
    return [sys.executable, "-m", name]


def test_generated_code_passes_ruff() -> None:
    folders = [str(case / "expected") for case in GOOD]
    done = subprocess.run(
        [*tool("ruff"), "check", "--isolated", "--no-cache", "--line-length", "100", *folders],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_code_passes_mypy(tmp_path: Path) -> None:
    agents = []
    for case in GOOD:  # each in a package of its own: all are called `agent`
        package = tmp_path / case.name
        shutil.copytree(case / "expected", package)
        for module in case.glob("*.py"):
            shutil.copy(module, tmp_path)  # where the flow says that it is
        agents += [f"{case.name}/agent.py"]
    environment = {
        **os.environ,
        "MYPYPATH": os.pathsep.join([str(Path("src/python").resolve()), str(tmp_path)]),
    }
    done = subprocess.run(
        [*tool("mypy"), "--strict", "--namespace-packages", "--explicit-package-bases", *agents],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


COMPILE = """
import sys
from pathlib import Path
from irc.pipeline import check, generate
for case in sys.argv[1:]:
    flow = next(name for name in ("flow.yaml", "flow.json") if (Path(case) / name).exists())
    result = check(flow, lambda name: (Path(case) / name).read_bytes())
    for name, text in generate(result.compiled).items():
        print(name, text)
"""


def test_every_machine_gives_the_same_bytes(tmp_path: Path) -> None:
    outputs = []
    for seed, folder in (("1", GOLDEN.resolve()), ("2", tmp_path / "elsewhere")):
        if seed == "2":
            shutil.copytree(GOLDEN, folder)
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(IMPORT_PATH),
        }
        done = subprocess.run(
            [sys.executable, "-c", COMPILE, *(str(folder / case.name) for case in GOOD)],
            cwd=tmp_path, env=environment, capture_output=True, check=True,
        )  # fmt: skip
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
