"""Help, completion and progress: what the command line says of itself."""

import shutil
import subprocess
import sys

import click
import pytest

from irc.cli.main import COMMANDS, irc
from irc.cli.progress import WORTH_SHOWING, progress
from tests.irc.cli.calling import environment, run, status


@pytest.mark.parametrize("name", COMMANDS)
def test_line_in_the_table_is_the_command_s_own_first_line(name: str) -> None:
    command = irc.get_command(click.Context(irc), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[name][1]


LOADED = """
import sys
from irc.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Usage: irc" in done.stdout
    heavy = {
        "jinja2", "jsonschema", "networkx", "pydantic", "pytest", "rich", "ruamel", "watchfiles", "yaml",
    }  # fmt: skip
    assert heavy.isdisjoint(done.stderr.split())


def test_help_of_irc_names_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "0 done, 1 errors in the input, 2 wrong usage, 70 a crash of irc" in text


def complete(shell: str, words: str) -> str:
    count = len(words.split()) - 1 if shell != "fish" else words.split()[-1]
    return run(_IRC_COMPLETE=f"{shell}_complete", COMP_WORDS=words, COMP_CWORD=str(count)).stdout


def test_commands_are_completed() -> None:
    assert complete("bash", "irc ch") == "plain,check\n"
    assert complete("zsh", "irc ch") == f"plain\ncheck\n{COMMANDS['check'][1]}\n"
    assert complete("fish", "irc ch") == f"plain,check\t{COMMANDS['check'][1]}\n"


def test_options_are_completed() -> None:
    assert complete("bash", "irc check --so") == "plain,--source-root\n"


def test_flows_are_completed_as_files() -> None:
    assert complete("bash", "irc check flo") == "file,flo\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("click asks bash for its version, and bash is not installed")
    assert "_IRC_COMPLETE" in run(_IRC_COMPLETE=f"{shell}_source").stdout


def test_no_bar_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    items = tuple(range(WORTH_SHOWING))
    assert tuple(progress(items, "Compiling")) == items
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    items = tuple(range(WORTH_SHOWING))
    assert tuple(progress(items, "Compiling")) == items
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Compiling" in shown.err
