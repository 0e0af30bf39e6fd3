"""docs/language.md: every complete flow on the page compiles and passes its tests."""

import re
from pathlib import Path
from typing import get_args

import pytest

from irc.ir.model import PortType
from irc_runtime.errors import LoadError
from tests.docs.pages import LANGUAGE, check_text, rendered, run_generated_tests, sections
from tests.docs.tables import rows
from tests.irc.compiling import agent_of

FLOWS = [
    pytest.param(fence.text, id=section.title)
    for section in sections(LANGUAGE)
    for fence in section.fences
    if fence.info == "yaml flow"
]

TYPES = get_args(PortType)
PAIR = """\
version: "1.0"
metadata: {name: pair}
nodes:
  give:
    outputs: [{name: value, type: SOURCE}]
    transform: {mode: code, spec: "def transform(inputs, context, state): pass"}
  take:
    inputs: [{name: value, type: TARGET}]
    outputs: [{name: value, type: object}]
    transform: {mode: code, spec: "def transform(inputs, context, state): return inputs"}
edges: [{from: give, to: take}, {from: take, to: _output}]
"""


@pytest.mark.parametrize("flow", FLOWS)
def test_flow_on_the_page_passes_its_generated_tests(flow: str, tmp_path: Path) -> None:
    result = check_text(flow)
    assert rendered(result) == ""
    assert run_generated_tests(result, tmp_path) > 0


def test_variables_of_the_flow_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = [flow.values[0] for flow in FLOWS if "name: prices}" in str(flow.values[0])]
    monkeypatch.setenv("PRICES_URL", "http://prices.example.com")
    monkeypatch.delenv("PRICES_TOKEN", raising=False)
    with pytest.raises(LoadError, match="PRICES_TOKEN"):
        agent_of(str(text))().load()


def test_types_connect_as_the_page_says_and_in_no_other_way() -> None:
    """Every pair of types is compiled, and those alone connect that the table has."""
    said = {(kind, kind) for kind in TYPES}
    for row in rows(LANGUAGE):
        if row.section == "Types" and row.cells["from"] != "any":
            sources, targets = (re.findall("`(.+?)`", row.cells[key]) for key in ("from", "to"))
            said |= {(source, target) for source in sources for target in targets or sources}
    connect = {
        (source, target)
        for source in TYPES
        for target in TYPES
        if check_text(PAIR.replace("SOURCE", source).replace("TARGET", target)).compiled is not None
    }
    assert connect == said
