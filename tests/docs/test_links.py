"""The pages' links lead somewhere, and the codes that they name are codes of the compiler."""

import re
from pathlib import Path

import pytest

from irc.codes import CODES
from tests.docs.pages import ERRORS, LANGUAGE
from tests.docs.tables import rows

PAGES = sorted(Path("docs").rglob("*.md"))
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_CODE = re.compile(r"\b[EW][0-9]{3}\b")


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link into a page may name: titles in the form that GitHub gives them, and anchors."""
    text = prose(page)
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _TITLE.findall(text))
    return {title.replace(" ", "-") for title in titles} | set(_ANCHOR.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_pages_and_anchors(page: Path) -> None:
    lost = []
    for file, anchor in _LINK.findall(prose(page)):
        target = page.parent / file if file else page
        if target.suffix == ".md" and (
            not target.is_file() or (anchor and anchor not in anchors(target))
        ):
            lost.append(f"{file}#{anchor}")
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_codes_on_a_page_exist(page: Path) -> None:
    assert set(_CODE.findall(prose(page))) - set(CODES) == set()


def test_every_code_is_on_a_page_and_every_warning_in_the_language() -> None:
    shown = set(_CODE.findall(prose(LANGUAGE) + prose(ERRORS)))
    assert set(CODES) - shown == set()
    warnings = [row.name for row in rows(LANGUAGE) if row.section == "Warnings"]
    assert warnings == [code for code in CODES if code.startswith("W")]


def test_contents_of_the_language_name_its_sections_in_order() -> None:
    contents, _, body = LANGUAGE.read_text(encoding="utf-8").partition("\n## ")
    sections = [
        title.lower().replace(" ", "-")
        for title in re.findall(r"^## (.+)$", "## " + body, re.MULTILINE)
    ]
    named = re.findall(r"\]\(#([\w-]+)\)", contents[contents.index("\n- ") :])
    assert [name for name in named if name in sections] == sections
