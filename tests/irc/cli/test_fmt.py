"""``irc fmt``: what is written, shown and refused, and the exit status."""

from pathlib import Path

import pytest

from tests.irc.cli.calling import status

UGLY = "metadata: {name: 'x'}  # kept\nversion: '1.0'\n"
FORMATTED = 'version: "1.0"\nmetadata: {name: x}  # kept\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ugly.yaml").write_text(UGLY)
    (tmp_path / "fine.yaml").write_text(FORMATTED)
    return tmp_path


def test_flows_are_rewritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("fmt", "ugly.yaml", "fine.yaml") == 0
    assert capsys.readouterr().out == "ugly.yaml changed\n"
    assert (folder / "ugly.yaml").read_text() == FORMATTED
    assert sorted(path.name for path in folder.iterdir()) == ["fine.yaml", "ugly.yaml"]


def test_check_names_files_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("fmt", "--check", "ugly.yaml", "fine.yaml") == 1
    assert capsys.readouterr().out == "ugly.yaml would change\n"
    assert (folder / "ugly.yaml").read_text() == UGLY
    assert status("fmt", "--check", "fine.yaml") == 0


def test_diff_shows_lines_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("fmt", "--diff", "ugly.yaml") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["--- ugly.yaml", "+++ ugly.yaml"]
    assert "+metadata: {name: x}  # kept" in shown
    assert (folder / "ugly.yaml").read_text() == UGLY
    assert status("fmt", "--check", "--diff", "ugly.yaml") == 1


def test_broken_file_is_told_and_the_others_are_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.yaml").write_text("a: [\n")
    assert status("fmt", "broken.yaml", "absent.yaml", "ugly.yaml") == 1
    told = capsys.readouterr().err
    assert "error[E101]" in told
    assert "absent.yaml:1:1: error[E107]" in told
    assert (folder / "ugly.yaml").read_text() == FORMATTED


def test_file_that_would_lose_comments_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '{"version": "1.0" # one\n}\n'
    (folder / "flow.json").write_text(text)
    assert status("fmt", "flow.json") == 1
    assert "flow.json is left as it is" in capsys.readouterr().err
    assert (folder / "flow.json").read_text() == text
