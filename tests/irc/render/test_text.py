"""Findings as text: what a user's terminal gets to see."""

import io
import re

import pytest
from rich.console import Console

from irc.diagnostics import Diagnostic, Severity, Span
from irc.render import terminal
from irc.render.text import render_text

LINES = {"flow.yaml": ["version: 1.0", "nodes: \x1b[31m x"]}


def finding(message: str, span: Span | None = None, hint: str | None = None) -> Diagnostic:
    span = span or Span("flow.yaml", 1, 10, 1, 13)
    related = ((Span("flow.yaml", 2, 1, 2, 6), "the nodes"),)
    return Diagnostic("W201", Severity.WARNING, span, message, related, hint)


def test_finding_has_its_line_notes_and_hint() -> None:
    assert render_text([finding("a number", hint="quote it")], LINES) == (
        "flow.yaml:1:10: warning[W201]: a number\n"
        "   1 | version: 1.0\n"
        "     |          ^^^\n"
        "note: flow.yaml:2:1: the nodes\n"
        "hint: quote it\n"
        "help: docs/errors.md#W201\n"
    )


@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "a\nflow.yaml:1:1: error[E101]: forged", "\r", "\u202e"]
)
def test_flow_cannot_steer_the_terminal(evil: str) -> None:
    text = render_text([finding(evil, Span(f"{evil}.yaml", 1, 1, 1, 2), evil)], {})
    assert len(text.splitlines()) == 4
    assert all(line.isprintable() for line in text.splitlines())


def test_excerpt_cannot_steer_the_terminal() -> None:
    text = render_text([finding("here", Span("flow.yaml", 2, 8, 2, 9))], LINES)
    assert "   2 | nodes: \N{REPLACEMENT CHARACTER}[31m x\n" in text


def test_colour_changes_no_character(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [finding("a number [bold] " + "wide " * 40), finding("another")]
    shown = io.StringIO()

    def console(**options: object) -> Console:
        return Console(force_terminal=True, color_system="standard", width=40, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(terminal, "Console", console)
    terminal.print_findings(items, LINES, shown)
    coloured = shown.getvalue()
    assert "\x1b[1;33mwarning[W201]" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render_text(items, LINES)
