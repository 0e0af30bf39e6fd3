"""What edges do with values: conditions, transforms and casts; compiled and run."""

from typing import Any

import pytest

from tests.irc.compiling import BASE, check_text, code_node, codes, run_text

QUERY = "{name: query, type: string}"


def flow(kind: str, returned: str, to: str, edge: str) -> str:
    """A node that returns a value of a type, an edge, and a node that shows what came."""
    nodes = code_node("a", QUERY, f"{{name: v, type: {kind}}}", f"def transform(i, c, s):\n    return {{'v': {returned}}}")  # fmt: skip
    nodes += code_node("b", f"{{name: w, type: {to}, optional: true}}", "{name: t, type: object}",
                       "def transform(i, c, s):\n    return {'t': dict(i)}")  # fmt: skip
    edges = ["{from: _input.query, to: a}", edge, "{from: b, to: _output}"]
    return BASE + "nodes:\n" + nodes + "edges: [" + ", ".join(edges) + "]\n"


def delivered(kind: str, returned: str, to: str, more: str = "", request: Any = None) -> Any:
    case = run_text(
        flow(kind, returned, to, f"{{from: a, to: b{more}}}"), request or {"query": "x"}
    )
    return case.output if case.error is None else case.error


@pytest.mark.parametrize(
    ("kind", "returned", "to", "more", "value"),
    [
        ("number", "5", "string", "", {"w": "5"}),
        ("number", "5", "string", ", condition: value > 4", {"w": "5"}),
        ("number", "5", "string", ", condition: v > 5", {}),
        ("number", "5", "string", ", transform: v + 1", {"w": 6}),
        ("boolean", "True", "string", ", condition: v is True", {"w": "true"}),
        ("number", "5", "number", ", condition: true", {"w": 5}),
        ("number", "5", "number", ", condition: false", {}),
        ("number", "5", "number", ", condition: 'v in [4, 5] and context.query == \"x\"'", {"w": 5}),
        ("number", "5", "number", ", condition: context.locale == 'de'", {}),
        ("object", "{'v': {'n': 1}}", "number", ", condition: v.v.n == 1, transform: \"v['v'].n\"", {"w": 1}),
        ("table", "[{'n': 1}]", "object", "", {"w": {"n": 1}}),
        ("table", "[{'n': 1}]", "object", ", condition: len(v) == 1", {"w": {"n": 1}}),
        ("table", "[]", "object", ", condition: len(v) == 1", {}),
        ("table", "[{'n': 1}, {'n': 2}]", "array", "", {"w": [{"n": 1}, {"n": 2}]}),
        ("table", "[{'n': 1}, {'n': 2}]", "object", ", transform: 'v[1]'", {"w": {"n": 2}}),
        ("embedding", "[0.5]", "array", "", {"w": [0.5]}),
    ],
)  # fmt: skip
def test_edge_delivers(kind: str, returned: str, to: str, more: str, value: Any) -> None:
    assert delivered(kind, returned, to, more) == value


@pytest.mark.parametrize("rows", ["[]", "[{'n': 1}, {'n': 2}]"])
def test_a_table_of_another_number_of_rows_fails_at_its_edge(rows: str) -> None:
    assert "exactly one row" in delivered("table", rows, "object")
    assert "flow.yaml:21" in delivered("table", rows, "object")


def test_an_expression_that_fails_names_its_edge() -> None:
    assert "flow.yaml:21" in delivered("number", "5", "number", ", transform: v.missing")


@pytest.mark.parametrize(
    ("edge", "output"),
    [
        ("{from: a, to: _output, transform: v * 2}", 10),
        ("{from: a, to: _output.n, transform: '{\"n\": v}', condition: v}", {"n": {"n": 5}}),
        ("{from: _input.query, to: _output, transform: query + value}", "xx"),
    ],
)
def test_edge_to_the_output_transforms(edge: str, output: Any) -> None:
    nodes = code_node(
        "a", QUERY, "{name: v, type: number}", "def transform(i, c, s):\n    return 5"
    )
    text = BASE + "nodes:\n" + nodes + "edges: [{from: _input.query, to: a}, " + edge + "]\n"
    assert run_text(text, {"query": "x"}).output == output


def test_a_condition_reads_the_names_of_its_own_edge_only() -> None:
    edge = "{from: a, to: b, condition: query == 'x'}"
    assert "E403" in codes(check_text(flow("number", "5", "number", edge)))
