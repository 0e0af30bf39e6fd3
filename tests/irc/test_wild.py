"""Flows as others write them: what the language allows, in forms that nobody here would choose."""

import json
from typing import Any

import pytest

from tests.irc.compiling import BASE, check_text, code_node, codes, generated, run_text

TEXT = "{name: query, type: string}"
VALUE = "{name: r, type: object}"


@pytest.mark.parametrize(
    ("returned", "response"),
    [
        ("{'pair': (1, ('a', None))}", {"pair": [1, ["a", None]]}),
        ("{1: float('nan')}", {"1": None}),
        ("__import__('datetime').date(2024, 5, 1)", "2024-05-01"),
    ],
)
def test_a_response_is_what_its_caller_reads(returned: str, response: Any) -> None:
    case = run_text(
        BASE
        + "nodes:\n"
        + code_node("a", TEXT, VALUE, f"def transform(i, c, s):\n    return {{'r': {returned}}}")
        + "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n",
        {"query": "x"},
    )
    assert (case.status, case.output) == (200, response)


def test_a_response_that_is_not_json_fails_the_request() -> None:
    case = run_text(
        BASE
        + "nodes:\n"
        + code_node("a", TEXT, VALUE, "def transform(i, c, s):\n    return {'r': {1, 2}}")
        + "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n",
        {"query": "x"},
    )
    assert (case.status, case.output) == (500, None)
    assert case.error == "the response is not JSON: Type is not JSON serializable: set"


OPTIONAL_TEXT = """\
version: "1.0"
metadata: {name: greeting}
context: {requires: [name], optional: [title]}
nodes:
  greet:
    inputs: [{name: name, type: string}, {name: title, type: string, optional: true}]
    outputs: [{name: text, type: string}]
    transform: {mode: declarative, spec: {op: io.format_response, args: {template: "Dear ${title} ${name}"}}}
edges:
  - {from: _input.name, to: greet.name}
  - {from: _input.title, to: greet.title}
  - {from: greet, to: _output}
"""


def test_an_optional_text_that_is_absent_reads_like_any_other_absent_value() -> None:
    assert run_text(OPTIONAL_TEXT, {"name": "Ada", "title": "Dr"}).output == "Dear Dr Ada"
    assert run_text(OPTIONAL_TEXT, {"name": "Ada"}).output == "Dear null Ada"


WITHOUT_OUTPUTS = """\
version: "1.0"
metadata: {name: audit}
context: {requires: [event]}
nodes:
  record:
    inputs: [{name: event, type: object}]
    transform: {mode: declarative, spec: {op: OPERATION}}
edges:
  - {from: _input.event, to: record}
  - {from: _input.event, to: _output}
"""
POST = 'http.post, args: {url: "https://example.com/audit", body: "${event}"}'
WRITE = 'hopsworks.write_features, args: {feature_group: audit_v2, data: "${event}"}'
GET = 'http.get, args: {url: "https://example.com/audit"}'


@pytest.mark.parametrize("operation", [POST, WRITE])
def test_an_effect_needs_no_output(operation: str) -> None:
    flow = WITHOUT_OUTPUTS.replace("OPERATION", operation)
    case = run_text(flow, {"event": {"id": 1}}, {"record": {"answer": {"body": None}}})
    assert (case.status, case.output) == (200, {"id": 1})
    assert case.ran == {"record"}


def test_without_an_effect_a_node_has_an_output() -> None:
    assert "E205" in codes(check_text(WITHOUT_OUTPUTS.replace("OPERATION", GET)))


@pytest.mark.parametrize(
    ("condition", "opposite"),
    [
        ("value == 'a'", 'value != "a"'),
        ("value != 'a'", 'value == "a"'),
        ("value in ['a']", 'value not in ["a"]'),
        ("value is not None", "value is None"),
        ("not value", "value"),
        ("value", "not value"),
        ("value.startswith('a')", 'not value.startswith("a")'),
        ("value < 'a'", 'not (value < "a")'),
        ("value and 1 < len(value) < 3", "not (value and 1 < len(value) < 3)"),
    ],
)
def test_conditions_are_turned_round_as_people_write_them(condition: str, opposite: str) -> None:
    source = generated(
        BASE
        + "nodes:\n"
        + code_node("a", TEXT, VALUE, "def transform(i, c, s):\n    return {'r': i['query']}")
        + "edges:\n  - {from: _input.query, to: a}\n  - {from: a, to: _output, "
        + f"condition: {json.dumps(condition)}}}\n"
    )
    assert f"    if {opposite}:\n" in source
