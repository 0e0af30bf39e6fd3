"""docs/reloading.md: events and settings are those of the supervisor."""

import re
from pathlib import Path

from irc_runtime.serving import options
from tests.docs.tables import rows
from tests.irc_runtime.waiting_agents import PatientAgent

PAGE = Path("docs/reloading.md")
SUPERVISOR = Path("src/python/irc_runtime/reloading/supervisor.py")


def test_events_are_those_of_the_page() -> None:
    told = {row.cells["event"].strip("`") for row in rows(PAGE) if row.section == "Events"}
    text = SUPERVISOR.read_text(encoding="utf-8")
    reported = set(re.findall(r'\bevent\(\s*[A-Z]+[^,]*,\s*"(\w+)"', text))
    assert reported == told


def test_settings_are_those_of_the_page() -> None:
    told = [row.cells for row in rows(PAGE) if row.section == "Settings"]
    defaults = vars(options.parsed(PatientAgent(), []))
    assert {name for name in defaults if name.startswith("reload_")} == {
        cells["flag"].strip("`-") for cells in told
    }
    for cells in told:
        name = cells["flag"].strip("`-")
        assert cells["variable"] == f"`IRC_{name.upper()}`"
        assert str(defaults[name] or "none").removesuffix(".0") == cells["default"]


def test_what_is_checked_has_tests() -> None:
    checked = [row for row in rows(PAGE) if row.section == "What is checked"]
    assert checked
    for row in checked:
        assert row.tests, row
        for file, test in row.tests:
            assert f"def {test}(" in Path(file).read_text(encoding="utf-8")
