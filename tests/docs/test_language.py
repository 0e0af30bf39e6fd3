"""docs/language.md: every complete flow on the page compiles and passes its tests."""

from pathlib import Path

import pytest

from tests.docs.pages import LANGUAGE, check_text, rendered, run_generated_tests, sections

FLOWS = [
    pytest.param(fence.text, id=section.title)
    for section in sections(LANGUAGE)
    for fence in section.fences
    if fence.info == "yaml flow"
]


@pytest.mark.parametrize("flow", FLOWS)
def test_flow_on_the_page_passes_its_generated_tests(flow: str, tmp_path: Path) -> None:
    result = check_text(flow)
    assert rendered(result) == ""
    assert run_generated_tests(result, tmp_path) > 0
