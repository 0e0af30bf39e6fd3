"""docs/tour.md: the generated code on the page is the code that is generated."""

from pathlib import Path

import pytest

from irc.pipeline import check, generate
from tests.docs.pages import Fence, fences

TOUR = Path("docs/tour.md")
FLOW = "flows/support/flow.yaml"

SHOWN = [fence for fence in fences(TOUR.read_text()) if fence.info == "python agent.py"]


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """What the page's flow becomes, by path."""
    result = check(FLOW, lambda name: Path(name).read_bytes())
    assert result.compiled is not None
    return generate(result.compiled)


@pytest.mark.parametrize("fence", SHOWN, ids=lambda fence: fence.text.split("\n")[0].strip())
def test_code_on_the_page_is_generated(fence: Fence, generated: dict[str, str]) -> None:
    assert fence.text in generated["flows/support/agent.py"]


def test_tests_on_the_page_are_generated(generated: dict[str, str]) -> None:
    shown = [fence for fence in fences(TOUR.read_text()) if fence.info == "python test_agent.py"]
    tests = generated["flows/support/test_agent.py"]
    assert [fence.text for fence in shown if fence.text not in tests] == []
