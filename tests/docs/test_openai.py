"""docs/openai.md: the table of parameters is the runtime's, and the flow on the page works."""

import re
from pathlib import Path

from irc_runtime.serving.openai_request import IGNORED, REFUSED
from tests.docs.pages import check_text, fences, rendered, run_generated_tests
from tests.docs.tables import rows

PAGE = Path("docs/openai.md")


def parameters(fate: str) -> set[str]:
    """The parameters of the row that begins its second cell with a word."""
    (cells,) = [
        list(row.cells.values())
        for row in rows(PAGE)
        if row.section == "Request" and list(row.cells.values())[1].startswith(fate)
    ]
    return set(re.findall(r"`?(\w+)`?", cells[0]))


def test_every_parameter_is_on_the_page() -> None:
    assert parameters("ignored") == IGNORED
    assert parameters("refused") == set(REFUSED)


def test_the_flow_on_the_page_passes_its_generated_tests(tmp_path: Path) -> None:
    (flow,) = [fence.text for fence in fences(PAGE.read_text()) if fence.info == "yaml flow"]
    result = check_text(flow)
    assert rendered(result) == ""
    assert run_generated_tests(result, tmp_path) > 0
