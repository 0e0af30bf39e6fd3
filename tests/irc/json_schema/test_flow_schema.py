"""``irc schema``: what it takes and refuses, and what it tells an author."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from irc.diagnostics import Diagnostics
from irc.json_schema.descriptions import TABLES
from irc.json_schema.flow import flow_schema
from irc.ops.registry import operations
from irc.pipeline import check
from irc.reading import decode, parse
from tests.irc.cli.calling import status

SCHEMA = flow_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
GOLDEN = [path for path in sorted(Path("tests/golden").iterdir()) if path.is_dir()]
GOOD = [
    *(case for case in GOLDEN if (case / "expected").is_dir()),
    *(flow.parent for flow in sorted(Path("flows").glob("*/flow.yaml"))),
]

BEYOND_A_SCHEMA = {
    "code_function_name": "the text of a reference",
    "fallback_does_not_fit": "one value against another's schema",
    "fallback_lacks_a_port": "one value against names elsewhere",
    "fallback_not_json": "JSON within a text",
    "port_answer_lacks": "one schema against names elsewhere",
    "port_default_schema": "one value against another's schema",
    "port_no_output": "what a prompt needs elsewhere in its node",
}
"""Bad flows with mistakes of shape that no JSON Schema can see, by what it would take."""


def flow_of(case: Path) -> Path:
    return next(path for path in sorted(case.iterdir()) if path.name in {"flow.yaml", "flow.json"})


def values(flow: Path) -> Any:
    """The values of a flow; None where its text is broken."""
    report = Diagnostics()
    source = decode(flow.name, flow.read_bytes(), report)
    document = source and parse(source, report)
    return document.data if document else None


def shape_errors(case: Path) -> list[str]:
    result = check(flow_of(case).name, lambda name: (case / name).read_bytes())
    return [item.code for item in result.report if item.code in {"E201", "E202", "E203"}]


MISSHAPEN = [case for case in GOLDEN if values(flow_of(case)) and shape_errors(case)]


def test_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_every_good_flow_is_taken(case: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(values(flow_of(case)))] == []


@pytest.mark.parametrize("case", MISSHAPEN, ids=lambda case: case.name)
def test_misshapen_flow_is_refused(case: Path) -> None:
    assert VALIDATOR.is_valid(values(flow_of(case))) == (case.name in BEYOND_A_SCHEMA)


def test_exceptions_are_cases() -> None:
    assert set(BEYOND_A_SCHEMA) <= {case.name for case in MISSHAPEN}
    assert len(MISSHAPEN) >= 12


FLOW: dict[str, Any] = {
    "version": "1.0",
    "metadata": {"name": "x"},
    "nodes": {
        "a": {
            "transform": {"mode": "declarative", "spec": {"op": "http.get", "args": {"url": "u"}}}
        }
    },
}


def with_node(**keys: Any) -> dict[str, Any]:
    return {**FLOW, "nodes": {"a": {**FLOW["nodes"]["a"], **keys}}}


def with_operation(op: str, **arguments: Any) -> dict[str, Any]:
    return with_node(transform={"mode": "declarative", "spec": {"op": op, "args": arguments}})


@pytest.mark.parametrize(
    "flow",
    [
        FLOW,
        {**FLOW, "version": 1.0},
        {**FLOW, "x-a": 1, "metadata": {"name": "x", "x-b": 2}},
        {**FLOW, "nodes": {**FLOW["nodes"], "x-group": 1}},
        with_node(runtime={"x-c": 1}, outputs=[{"name": "a", "type": "string", "x-d": 1}]),
        with_operation("http.get", url="u", timeout_ms=5),
        with_node(transform={"mode": "code", "spec": {"file": "a.py"}}),
    ],
)
def test_is_taken(flow: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(flow)] == []


@pytest.mark.parametrize(
    "flow",
    [
        {**FLOW, "nodes": {"Ask-Me": FLOW["nodes"]["a"]}},
        {**FLOW, "nodes": {"a": {}}},
        {**FLOW, "metadata": {"name": "9 lives!"}},
        with_node(colour="red"),
        with_operation("http.gett", url="u"),
        with_operation("http.get", uri="u"),
        with_operation("http.get"),
        with_operation("transform.map", input="${a}"),
        with_node(transform={"mode": "code", "spec": {"op": "http.get"}}),
        with_node(outputs=[{"name": "a b", "type": "string"}]),
        with_node(runtime={"retries": 0}),
    ],
)
def test_is_refused(flow: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(flow)


def test_every_operation_has_its_arguments() -> None:
    operation = SCHEMA["$defs"]["Operation"]
    chosen = [rule["if"]["properties"]["op"]["const"] for rule in operation["allOf"]]
    assert chosen == [item["const"] for item in operation["properties"]["op"]["anyOf"]]
    assert chosen == list(operations())


NOT_DESCRIBED = {
    ("Case", "expect"),
    ("Deployment", "kserve"),
    ("ErrorPort", "description"),
    ("KServe", "max_replicas"),
    ("KServe", "min_replicas"),
    ("KServe", "service_account"),
    ("Port", "description"),
}
"""Keys whose cell in the reference is empty, or that it has no row for."""


def test_keys_are_described_by_the_language_reference() -> None:
    shapes = {"Flow": SCHEMA, **SCHEMA["$defs"]}
    missing = {
        (name, key)
        for name in TABLES
        for key, property_ in shapes[name]["properties"].items()
        if "description" not in property_
    }
    assert missing <= NOT_DESCRIBED
    assert SCHEMA["properties"]["on_error"]["description"].startswith("the node that answers")
    assert "latest" in SCHEMA["$defs"]["ReadFeatures"]["properties"]["as_of"]["description"]


def test_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert status("schema") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))
