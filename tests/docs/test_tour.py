"""docs/tour.md: the generated code on the page is the code that is generated."""

from pathlib import Path

import pytest

from irc.pipeline import check, generate
from tests.docs.pages import Fence, fences

TOUR = Path("docs/tour.md")
FLOW = "flows/support/flow.yaml"
AGENT = "flows/support/agent.py"

SHOWN = [fence for fence in fences(TOUR.read_text()) if fence.info == "python agent.py"]


@pytest.fixture(scope="module")
def agent() -> str:
    """The agent of the page's flow: Pants lays it beside its flow, by hand it is compiled."""
    if Path(AGENT).is_file():
        return Path(AGENT).read_text()
    result = check(FLOW, lambda name: Path(name).read_bytes())
    assert result.compiled is not None
    return generate(result.compiled)[AGENT]


@pytest.mark.parametrize("fence", SHOWN, ids=lambda fence: fence.text.split("\n")[0].strip())
def test_code_on_the_page_is_generated(fence: Fence, agent: str) -> None:
    assert fence.text in agent


@pytest.mark.skipif(not Path(FLOW).is_file(), reason="Pants lays the agent here, not its flow")
def test_tests_on_the_page_are_generated() -> None:
    result = check(FLOW, lambda name: Path(name).read_bytes())
    assert result.compiled is not None
    tests = generate(result.compiled)["flows/support/test_agent.py"]
    shown = [item for item in fences(TOUR.read_text()) if item.info == "python test_agent.py"]
    assert [fence.text for fence in shown if fence.text not in tests] == []
