"""docs/language.md: every row of every table has an example or a test, and every example is run."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from irc.diagnostics import Diagnostics
from irc.reading import parse
from irc.source import SourceFile
from tests.docs.pages import LANGUAGE, run_generated_tests, sections
from tests.docs.tables import Example, Row, rows
from tests.irc.compiling import check_text, codes, rendered, run_text

ROWS = list(rows(LANGUAGE))
EXAMPLES = [
    pytest.param(example, id=f"{row.section}: {example.text}")
    for row in ROWS
    for example in row.examples
]
FILES = {
    "priority.py": "def transform(inputs, context, state):\n    return {'text': inputs['user'], 'locale': context.locale}\n",
    "shop/pricing.py": "def quote(inputs, context, state):\n    return {'text': inputs['user'], 'locale': context.locale}\n",
    "prompts/letter.j2": "Thank {{ name }} for using the plan {{ plan }}.",
    "schemas/text.json": '{"type": "string"}',
    "shop/schemas/text.json": '{"type": "string"}',
    "types.yaml": "types: {text: {type: string}}",
}
"""What the examples refer to."""

PLACE = "\0place\0"
"""Stands for the example while its flow is written."""


def values(text: str) -> Any:
    """What a YAML text holds, as the language reads it."""
    report = Diagnostics()
    document = parse(SourceFile("example.yaml", text), report)
    assert document is not None, text
    return document.data


FLOWS = {
    values(fence.text)["metadata"]["name"]: fence.text
    for section in sections(LANGUAGE)
    for fence in section.fences
    if fence.info == "yaml flow"
}


def with_flows(page: Path) -> set[str]:
    """The anchors of the sections, of any level, that show a complete flow."""
    parts = re.split(r"^#+ (?=\S.*$)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = (part.split("\n", 1)[0] for part in parts if "```yaml flow\n" in part)
    return {title.lower().replace(" ", "-") for title in titles}


def keys(text: str) -> list[str]:
    """The keys of a mapping without its braces; the first one where it is no YAML of the language."""
    document = parse(SourceFile("example.yaml", f"{{{text}}}"), Diagnostics())
    return [text.partition(":")[0]] if document is None else list(document.data)


def spliced(example: Example) -> str:
    """The flow that the example belongs to, with the example at its place.

    The example is put into the text: it may be what no value can hold, as a key that stands twice.
    """
    flow = values(FLOWS[example.flow])
    if example.code is not None and example.path[:1] != ("tests",):
        flow.pop("tests", None)  # they are about what is right
    *above, last = ("flow", *example.path)
    around: Any = {"flow": flow}
    for key in above:
        around = around[key] if isinstance(key, int) else around.setdefault(key, {})
    if example.how != "in":
        around[last] = PLACE
        value = example.text if example.how == "as" else json.dumps(example.text)
        return json.dumps(flow).replace(json.dumps(PLACE), value)
    text = re.sub(r"^\{(.*)\}$", r"\1", example.text)
    mapping = around[last] if isinstance(last, int) else around.setdefault(last, {})
    for key in keys(text):
        mapping.pop(key, None)
    mapping[PLACE] = 0
    return json.dumps(flow).replace(f"{json.dumps(PLACE)}: 0", text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.name}")
def test_row_has_an_example_or_a_test(row: Row) -> None:
    assert row.examples or row.links or row.tests
    assert set(row.links) <= with_flows(LANGUAGE)
    for file, test in row.tests:
        assert f"def {test}(" in Path(file).read_text(encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_gives_what_the_page_says(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = spliced(example)
    result = check_text(text, FILES)
    if example.code is not None:
        # What follows from it may be told as well.
        assert example.code in codes(result), rendered(result)
        return
    assert rendered(result) == ""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    assert run_generated_tests(result, tmp_path) > 0
    if example.gives is not None:
        case = run_text(text, values(example.request or "{}"))
        assert (case.error, case.output) == (None, values(example.gives))
