"""docs/language.md: the generated files have the names and keys that the page says."""

import json
import re

from irc.pipeline import generate
from tests.docs.pages import LANGUAGE, check_text, fences
from tests.docs.tables import rows

FLOW = next(x.text for x in fences(LANGUAGE.read_text(encoding="utf-8")) if x.info == "yaml flow")
COMPILED = check_text(FLOW).compiled
assert COMPILED is not None
FILES = generate(COMPILED)


def keys_of_the_page(test: str) -> list[str]:
    """The words in the first cells of the table that names a test."""
    return [
        key
        for row in rows(LANGUAGE)
        if any(name == test for _, name in row.tests)
        for key in re.findall("`(.+?)`", next(iter(row.cells.values())))
    ]


def test_files_are_those_of_the_page() -> None:
    assert sorted(FILES) == sorted(keys_of_the_page("test_files_are_those_of_the_page"))


def test_line_map_has_the_keys_of_the_page() -> None:
    said = keys_of_the_page("test_line_map_has_the_keys_of_the_page")
    assert list(json.loads(FILES["agent.map.json"])) == said


def test_summary_has_the_keys_of_the_page() -> None:
    said = keys_of_the_page("test_summary_has_the_keys_of_the_page")
    assert list(json.loads(FILES["agent.json"])) == said
