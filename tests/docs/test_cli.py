"""docs/cli.md: every command has its section, and every option its row."""

import re
from pathlib import Path

import click
import pytest

from irc.cli.main import COMMANDS, irc

PAGE = Path("docs/cli.md").read_text()
SECTIONS = {
    title.removeprefix("irc "): body
    for title, _, body in (part.partition("\n") for part in PAGE.split("\n## ")[1:])
    if title.startswith("irc ")
}
FOR_THE_PLUGIN = {"manifest", "package"}
"""Commands that people do not call; their options are in their help."""


def options(command: click.Command) -> set[str]:
    """The options of a command and of its subcommands."""
    found = {o for item in command.params if isinstance(item, click.Option) for o in item.opts}
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return found.union(*(options(item) for item in inner))


def test_every_command_has_its_section_in_order() -> None:
    assert list(SECTIONS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - FOR_THE_PLUGIN))
def test_every_option_has_its_row(name: str) -> None:
    command = irc.get_command(click.Context(irc), name)
    assert command is not None
    rows = re.findall(r"^\| (`-[^|]*)\|", SECTIONS[name], re.MULTILINE)
    documented = {option for row in rows for option in re.findall(r"`(-[^`]+)`", row)}
    assert documented == options(command)
