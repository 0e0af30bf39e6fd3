"""The command line: exit status, what is written, and crashes."""

import json
from pathlib import Path

import pytest

from irc.cli.main import main
from tests.irc.compiling import BASE, code_node

GOOD = (
    BASE.replace(", optional: [locale]", "")
    + "nodes:\n"
    + code_node("a", "{name: query, type: string}", "{name: text, type: string}",
                "def transform(i, c, s):\n    return i['query']")
    + "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n"
)  # fmt: skip
BAD = GOOD.replace("from: a,", "from: b,")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good/flow.yaml", GOOD), ("bad/flow.yaml", BAD)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_valid_flows_give_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("check", "good/flow.yaml") == 0
    assert "1 flow is valid" in capsys.readouterr().out


def test_compile_writes_four_files(folder: Path) -> None:
    assert status("compile", "good/flow.yaml", "--output-dir", "out") == 0
    names = sorted(path.name for path in (folder / "out/good").iterdir())
    assert names == ["agent.json", "agent.map.json", "agent.py", "test_agent.py"]
    summary = json.loads((folder / "out/good/agent.json").read_text())
    assert (summary["module"], summary["class"]) == ("good.agent", "SampleAgent")


def test_nothing_is_written_when_one_flow_has_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("compile", "good/flow.yaml", "bad/flow.yaml", "--output-dir", "out") == 1
    assert not (folder / "out").exists()
    assert "bad/flow.yaml:13:45: error[E301]" in capsys.readouterr().err


def test_json_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("check", "bad/flow.yaml", "--format", "json") == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["code"], row["file"]) for row in rows] == [("E301", "bad/flow.yaml")]


@pytest.mark.parametrize("arguments", [["nothing"], ["check"], ["compile", "x", "--format", "xml"]])
def test_wrong_usage_gives_2(arguments: list[str]) -> None:
    assert status(*arguments) == 2


def test_output_below_a_file_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("compile", "good/flow.yaml", "--output-dir", "bad/flow.yaml") == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["absent.yaml", "good"])
def test_unreadable_file_is_e107(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("check", name) == 1
    assert "error[E107]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "../flow.yaml",
        "/flow.yaml",
        "a-b/flow.yaml",
        "v1.2/flow.yaml",
        "class/flow.yaml",
        "code/flow.yaml",
    ],
)
def test_flow_whose_module_cannot_be_imported_is_e303(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("check", name) == 1
    assert "error[E303]" in capsys.readouterr().err


def test_two_flows_of_one_module_are_e303(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "good/flow.yml").write_text(GOOD)
    assert status("compile", "good/flow.yaml", "good/flow.yml", "--output-dir", "out") == 1
    assert "two flows have the module 'good.agent'" in capsys.readouterr().err
    assert status("compile", "good/flow.yaml", "./good/flow.yaml", "--output-dir", "out") == 0


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("x.flow.yaml", "x_agent"),
        ("a-b.flow.yaml", "a_b_agent"),
        ("workflow.yaml", "workflow_agent"),
    ],
)
def test_module_is_named_after_the_file(folder: Path, file: str, module: str) -> None:
    (folder / file).write_text(GOOD)
    assert status("compile", file, "--output-dir", "out") == 0
    assert (folder / f"out/{module}.py").exists()


def test_crash_is_e901_and_keeps_its_report(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*arguments: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("irc.cli.check.check_all", crash)
    assert status("check", "good/flow.yaml") == 70
    assert "error[E901]: irc crashed: RuntimeError: a defect" in capsys.readouterr().err
    (report,) = folder.glob("irc-crash-*.txt")
    assert "Traceback" in report.read_text()
