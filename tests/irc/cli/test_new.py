"""``irc new`` and ``irc test``: a new flow is formatted, compiles, and passes its tests."""

import os
from pathlib import Path

import pytest

from irc.scaffolding.templates import TEMPLATES
from tests.irc.cli.calling import run, status


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("template", TEMPLATES)
def test_new_flow_is_as_it_should_be(template: str, folder: Path) -> None:
    assert status("new", "flows/first_one", "--template", template) == 0
    assert status("check", "flows/first_one/flow.yaml", "--error", "W") == 0
    assert status("fmt", "--check", "flows/first_one/flow.yaml") == 0
    done = run("test", "flows/first_one/flow.yaml", "--", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    names = sorted(path.name for path in (folder / "flows/first_one").iterdir())
    assert names == sorted({name.partition("/")[0] for name in TEMPLATES[template]})
    assert "name: first_one\n" in (folder / "flows/first_one/flow.yaml").read_text()


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/flow.yaml").write_text("mine")
    assert status("new", "mine") == 2
    assert "'mine' is there already" in capsys.readouterr().err
    assert (folder / "mine/flow.yaml").read_text() == "mine"
    assert os.listdir(folder) == ["mine"]


@pytest.mark.parametrize("name", ["a-b", "1st", "flows/x.y"])
def test_name_that_python_cannot_import_is_refused(name: str, folder: Path) -> None:
    assert status("new", name) == 2
    assert os.listdir(folder) == []


FAILING = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [query]}
nodes:
  a:
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: string}]
    transform: {mode: code, spec: {file: helped.py}}
edges: [{from: _input.query, to: a}, {from: a, to: _output}]
tests:
  - {name: shouts, request: {query: hi}, expect: {output: HI}}
"""


@pytest.fixture
def package(folder: Path) -> Path:
    """A flow in regular packages, whose code imports and reads what is beside it."""
    inner = folder / "src/pkg/inner"
    inner.mkdir(parents=True)
    (folder / "src/pkg/__init__.py").touch()
    (inner / "__init__.py").touch()
    (inner / "word.txt").write_text("HI")
    (inner / "words.py").write_text(
        "from pathlib import Path\nWORD = Path(__file__).with_name('word.txt').read_text()\n"
    )
    (inner / "helped.py").write_text(
        "from pkg.inner.words import WORD\n\n\ndef transform(inputs, context, state):\n    return WORD\n"
    )
    (inner / "flow.yaml").write_text(FAILING)
    return inner


def test_code_beside_the_flow_is_found_and_nothing_is_left(package: Path) -> None:
    before = sorted(package.rglob("*"))
    done = run("test", "src/pkg/inner/flow.yaml", "--source-root", "src", "--", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(package.rglob("*")) == before


def test_failing_test_gives_1(package: Path) -> None:
    (package / "word.txt").write_text("ho")
    done = run("test", "src/pkg/inner/flow.yaml", "--source-root", "src")
    assert done.returncode == 1
    assert "test_shouts" in done.stdout


@pytest.mark.parametrize(("option", "expected"), [("--no-such-option", 2), ("-k=nothing", 1)])
def test_status_of_pytest_is_mapped(package: Path, option: str, expected: int) -> None:
    done = run("test", "src/pkg/inner/flow.yaml", "--source-root", "src", "--", option)
    assert done.returncode == expected, done.stdout + done.stderr


def test_broken_flow_is_told_and_no_test_runs(package: Path) -> None:
    (package / "flow.yaml").write_text(FAILING.replace("to: a}", "to: b}"))
    done = run("test", "src/pkg/inner/flow.yaml", "--source-root", "src")
    assert done.returncode == 1
    assert "error[E301]" in done.stderr
    assert done.stdout == ""
