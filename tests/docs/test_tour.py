"""docs/tour.md: the generated code on the page is the code that is generated."""

from pathlib import Path

import pytest

from irc.pipeline import check, generate
from tests.docs.pages import Fence, fences, rendered

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


ANSWER = "flows/support/prompts/answer.j2"
MISTAKES = {
    "an unknown key": (
        FLOW,
        "retries: 2, retry_backoff_ms: 50,",
        "retires: 2, retry_backoff_ms: 50,",
    ),
    "an unknown node": (FLOW, "{from: answer.reply,", "{from: anwser.reply,"),
    "two that deliver": (
        FLOW,
        "{from: answer.error, to: apologise.error}",
        "{from: fetch_customer.customer, to: apologise.error}",
    ),
    "types that do not fit": (
        FLOW,
        "{from: priority.level, to: respond.level}",
        "{from: remember.history, to: respond.level}",
    ),
    "an unknown variable": (ANSWER, "{{ query }}", "{{ qeury }}"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_on_the_page_is_told_as_there(mistake: str) -> None:
    file, right, wrong = MISTAKES[mistake]

    def read(name: str) -> bytes:
        text = Path(name).read_text(encoding="utf-8")
        assert name != file or right in text
        return (text.replace(right, wrong) if name == file else text).encode()

    assert f"```text\n{rendered(check(FLOW, read))}```" in TOUR.read_text()
