"""docs/serving.md: settings and events are those of the server."""

import argparse
import re
from dataclasses import fields
from pathlib import Path

import pytest

from irc_runtime.serving import options
from tests.docs.tables import rows
from tests.irc_runtime.waiting_agents import PatientAgent

PAGE = Path("docs/serving.md")
SOURCES = Path("src/python/irc_runtime")


def command(*arguments: str) -> argparse.Namespace:
    return options.parsed(PatientAgent(), list(arguments))


def test_settings_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [row.cells for row in rows(PAGE) if row.section == "Settings"]
    assert [cells["flag"] for cells in told] == [
        f"`--{field.name}`" for field in fields(options.Limits)
    ]
    defaults = options.limits(command())
    for cells in told:
        name = cells["flag"].strip("`-")
        assert getattr(defaults, name) == float(cells["default"])
        monkeypatch.setenv(cells["variable"].strip("`"), "7")
        assert getattr(options.limits(command()), name) == 7
        assert getattr(options.limits(command(f"--{name}=9")), name) == 9


@pytest.mark.parametrize("value", ["many", "-1", "inf", "nan"])
def test_values_that_are_no_amounts_are_refused(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IRC_MAX_WAIT_S", value)
    with pytest.raises(SystemExit) as caught:
        command()
    assert caught.value.code == 2
    assert "--max_wait_s" in capsys.readouterr().err


def test_events_are_those_of_the_page() -> None:
    told = {
        name
        for row in rows(PAGE)
        if row.section == "Events"
        for name in re.findall(r"`(\w+)`", row.cells["event"])
    }
    whole = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    assert {name for name in told if f'"{name}"' not in whole} == set()
    reported: set[str] = set()
    for module in ("__init__", "server", "watchdog", "workers"):
        text = (SOURCES / "serving" / f"{module}.py").read_text(encoding="utf-8")
        reported |= set(re.findall(r'\bevent\(\s*[A-Z]+,\s*"(\w+)"', text))
    assert reported <= told
