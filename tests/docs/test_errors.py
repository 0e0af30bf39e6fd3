"""docs/errors.md: a section for each code, whose examples give what the page says."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from irc.codes import CODES
from irc.pipeline import check
from tests.docs.pages import ERRORS, check_text, rendered, run_generated_tests, sections


class Exempt(NamedTuple):
    """A code that no flow on the page can show."""

    code: str
    reason: str


EXEMPT = (
    Exempt("E102", "the page is UTF-8 itself"),
    Exempt("E107", "there is no flow to show"),
    Exempt("E208", "it takes a package; tests/irc/test_operations_package.py"),
    Exempt("E901", "no flow is known to crash the compiler"),
)

SECTIONS = {section.title: section for section in sections(ERRORS)}
SHOWN = sorted(set(CODES) - {code for code, _ in EXEMPT})


def test_every_code_has_a_section_in_order() -> None:
    assert list(SECTIONS) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_section_is_an_anchor_and_has_the_title_of_the_code(code: str) -> None:
    assert re.search(rf'^<a id="{code}"></a>\n\n## {code}$', ERRORS.read_text(), re.MULTILINE)
    title = CODES[code]
    assert f"**{title[0].upper()}{title[1:]}.**" in SECTIONS[code].text


@pytest.mark.parametrize("code", SHOWN)
def test_failing_example_gives_the_text_on_the_page(code: str) -> None:
    result = check_text(SECTIONS[code].fence("yaml fails").text)
    assert {item.code for item in result.report} == {code}
    assert result.report.has_errors is code.startswith("E")
    assert (result.compiled is None) is result.report.has_errors
    assert rendered(result) == SECTIONS[code].fence("text").text


@pytest.mark.parametrize("code", SHOWN)
def test_mended_example_is_valid_and_runs(code: str, tmp_path: Path) -> None:
    result = check_text(SECTIONS[code].fence("yaml mended").text)
    assert rendered(result) == ""
    assert run_generated_tests(result, tmp_path) > 0


def test_bytes_that_are_not_utf8_give_the_text_on_the_page() -> None:
    result = check_text(b'version: "1.0"\nmetadata: {name: echo, author: Zo\xeb}\n')
    assert rendered(result) == SECTIONS["E102"].fence("text").text


def test_missing_file_gives_the_text_on_the_page() -> None:
    def read(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    assert rendered(check("nowhere.yaml", read)) == SECTIONS["E107"].fence("text").text
