"""``--format``, ``--error`` and ``--ignore``; ``irc explain``."""

import io
import json
import sys
from pathlib import Path

import pytest

from irc.cli import reporting
from irc.codes import CODES
from irc.explanations import explanation
from tests.irc.cli.calling import status
from tests.irc.compiling import BASE, code_node

WARNED = (
    BASE
    + "nodes:\n"
    + code_node("a", "{name: query, type: string}", "{name: text, type: string}",
                "def transform(i, c, s):\n    return {'text': i['query']}")
    + "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n"
)  # fmt: skip
"""Valid, with one warning: nothing reads the context field `locale`."""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "flow.yaml"
    path.write_text(WARNED)
    return path


@pytest.mark.usefixtures("flow")
class TestWarnings:
    def test_warning_is_told_and_no_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert status("check", "flow.yaml") == 0
        assert "warning[W302]" in capsys.readouterr().err

    @pytest.mark.parametrize("code", ["W302", "w302", "W3", "W", "W201,W302"])
    def test_error_makes_it_one(self, code: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert status("check", "flow.yaml", "--error", code) == 1
        assert "error[W302]" in capsys.readouterr().err

    def test_nothing_is_written_for_a_warning_that_is_an_error(self, flow: Path) -> None:
        assert status("compile", "flow.yaml", "--error", "W302", "--output-dir", "out") == 1
        assert not (flow.parent / "out").exists()

    def test_other_codes_stay_warnings(self) -> None:
        assert status("check", "flow.yaml", "--error", "W301", "--error", "W4") == 0

    def test_ignored_warning_is_not_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert status("check", "flow.yaml", "--ignore", "W302", "--error", "W") == 0
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("E301", "is an error"),
            ("W399", "did you mean"),
            ("", "no warning"),
            ("X", "no warning"),
        ],
    )
    def test_only_warnings_can_be_named(
        self, code: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert status("check", "flow.yaml", "--ignore", code) == 2
        assert said in capsys.readouterr().err


def test_errors_are_told_in_each_format(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow.write_text(WARNED.replace("from: a,", "from: b,"))
    told = {}
    for format_ in reporting.FORMATS:
        assert status("check", "flow.yaml", "--format", format_) == 1
        told[format_] = capsys.readouterr()
    assert "error[E301]" in told["text"].err
    assert json.loads(told["json"].out)[0]["code"] == "E301"
    assert json.loads(told["sarif"].out)["runs"][0]["results"][0]["ruleId"] == "E301"
    assert told["github"].out.startswith("::error file=flow.yaml,line=13,")
    assert [told[format_].err for format_ in ("json", "sarif", "github")] == ["", "", ""]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_terminal_gets_colour_unless_told_not_to(
    flow: Path, monkeypatch: pytest.MonkeyPatch, no_colour: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setenv("TERM", "xterm")
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert status("check", str(flow)) == 0
    assert ("\x1b[" in stderr.getvalue()) is coloured
    assert "[W302]" in stderr.getvalue()


@pytest.mark.parametrize("code", CODES)
def test_explain_prints_the_section_of_each_code(
    code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("explain", code.lower()) == 0
    text = capsys.readouterr().out
    assert text == explanation(code).text
    assert text.startswith(f"## {code}\n\n**{CODES[code][0].upper()}{CODES[code][1:]}.**\n")
    assert "<a id=" not in text
    assert len(explanation(code).summary) > 40


def test_explain_lists_all_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("explain") == 0
    assert capsys.readouterr().out == "".join(f"{c}  {title}\n" for c, title in CODES.items())


def test_explain_of_a_misspelt_code_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("explain", "e3001") == 2
    assert "did you mean 'E301'?" in capsys.readouterr().err


def test_explanation_on_a_terminal_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "xterm")
    stdout = Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    assert status("explain", "E301") == 0
    assert "\x1b[" in stdout.getvalue()
    assert "```" not in stdout.getvalue()
