"""Workflow commands, read back as the runner of GitHub Actions reads them."""

import re

from irc.diagnostics import Diagnostic, Severity, Span
from irc.render.github import render_github


def read(line: str) -> tuple[str, dict[str, str], str]:
    """The name, properties and data of a command, unescaped (actions/runner, ActionCommand.cs)."""
    match = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert match is not None
    properties = dict(part.split("=", 1) for part in match[2].split(","))

    def unescaped(text: str, escapes: tuple[str, ...]) -> str:
        for escape in escapes:
            text = text.replace(escape, chr(int(escape[1:], 16)))
        return text.replace("%25", "%")

    data = ("%0D", "%0A")
    values = {key: unescaped(value, (*data, "%3A", "%2C")) for key, value in properties.items()}
    return match[1], values, unescaped(match[3], data)


def test_command_says_where_and_what() -> None:
    span = Span("flows/a/flow.yaml", 3, 5, 3, 9)
    item = Diagnostic(
        "E301", Severity.ERROR, span, "no such port",
        ((Span("flows/a/flow.yaml", 1, 1, 1, 2), "the node"),), "did you mean 'b'?",
    )  # fmt: skip
    assert render_github([item]) == (
        "::error file=flows/a/flow.yaml,line=3,endLine=3,col=5,endColumn=9,title=E301"
        "::no such port%0Anote: flows/a/flow.yaml:1:1: the node%0Ahint: did you mean 'b'?\n"
    )


def test_any_text_comes_back_from_the_runner() -> None:
    evil = "100%: a,b\r\n::error::forged %0A %2C"
    span = Span(f"{evil}.yaml", 1, 2, 4, 1)
    (line,) = render_github([Diagnostic("W301", Severity.WARNING, span, evil)]).splitlines()
    name, properties, message = read(line)
    assert (name, message) == ("warning", evil)
    assert properties == {"file": f"{evil}.yaml", "line": "1", "endLine": "4", "title": "W301"}
