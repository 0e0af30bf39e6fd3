"""Settings of ports: defaults, and the forms of a failure; each flow is compiled and run."""

from typing import Any

import pytest

from irc_runtime.testing import run_case
from tests.irc.compiling import BASE, agent_of, check_text, code_node, codes, run_text

QUERY = "{name: query, type: string}"
TEXT = "{name: text, type: string}"
FAIL = "def transform(i, c, s):\n    raise ValueError('boom')"
TO_A = "{from: _input.query, to: a.query}"


def flow(nodes: str, *edges: str, head: str = BASE) -> str:
    return head + "nodes:\n" + nodes + "edges: [" + ", ".join((TO_A, *edges)) + "]\n"


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        ("None", {"one": [], "two": "2"}),
        ("{'one': [1]}", {"one": [1], "two": "2"}),
        ("{'two': None}", {"one": [], "two": None}),
        ("{}", {"one": [], "two": "2"}),
    ],
)
def test_output_left_out_is_its_default(returned: str, output: Any) -> None:
    ports = "{name: one, type: array, default: []}, {name: two, type: string, optional: true, default: '2'}"
    nodes = code_node("a", QUERY, ports, f"def transform(i, c, s):\n    return {returned}")
    text = flow(nodes, "{from: a.one, to: _output.one}", "{from: a.two, to: _output.two}")
    assert run_text(text, {"query": "x"}).output == output


def test_a_default_is_each_request_s_own() -> None:
    nodes = code_node("a", QUERY, "{name: l, type: array, default: []}", "def transform(i, c, s):\n    return None")  # fmt: skip
    nodes += code_node("b", "{name: l, type: array}", "{name: l, type: array}",
                       "def transform(i, c, s):\n    i['l'].append(1)\n    return i['l']")  # fmt: skip
    text = flow(nodes, "{from: a, to: b}", "{from: b, to: _output}")
    agent = agent_of(text)
    assert [run_case(agent, {"query": "x"}, {}).output for _ in range(2)] == [[1], [1]]


def test_a_default_feeds_a_required_input() -> None:
    nodes = code_node("a", QUERY, "{name: text, type: string, default: d}", "def transform(i, c, s):\n    return None")  # fmt: skip
    nodes += code_node("b", TEXT, TEXT, "def transform(i, c, s):\n    return i['text'] * 2")
    text = flow(nodes, "{from: a, to: b}", "{from: b, to: _output}")
    assert run_text(text, {"query": "x"}).output == "dd"


def test_a_failure_delivers_no_default() -> None:
    nodes = code_node("a", QUERY, "{name: text, type: string, default: d}", FAIL, "error: {name: bad}")  # fmt: skip
    text = flow(nodes, "{from: a.text, to: _output.text}", "{from: a.bad, to: _output.bad, transform: bad.type}")  # fmt: skip
    assert run_text(text, {"query": "x"}).output == {"bad": "error"}


def test_two_edges_from_a_certain_output_both_deliver() -> None:
    nodes = code_node("a", QUERY, "{name: text, type: string, optional: true, default: d}", FAIL)
    nodes += code_node("b", QUERY, TEXT, FAIL)
    edges = ["{from: _input.query, to: b}", "{from: a, to: _output}", "{from: b, to: _output}"]
    assert "E305" in codes(check_text(flow(nodes, *edges)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", "boom"),
        ("document", "boom"),
        ("array", [{"type": "error"}]),
        ("table", [{"type": "error"}]),
        ("object", {"type": "error"}),
    ],
)
def test_error_port_delivers_a_failure_in_the_form_of_its_type(kind: str, value: Any) -> None:
    nodes = code_node("a", QUERY, TEXT, FAIL, f"error: {{name: bad, type: {kind}}}")
    nodes += code_node("b", f"{{name: bad, type: {kind}}}", "{name: got, type: object}",
                       "def transform(i, c, s):\n    return {'got': i['bad']}")  # fmt: skip
    got = run_text(flow(nodes, "{from: a.bad, to: b}", "{from: b, to: _output}"), {"query": "x"}).output  # fmt: skip
    if kind in {"string", "document"}:
        assert value in got
        return
    (item,) = got if isinstance(got, list) else [got]
    assert (item["type"], item["node"], item["attempts"]) == ("error", "a", 1)
    assert isinstance(got, type(value))


def test_a_table_of_a_failure_fits_an_object() -> None:
    nodes = code_node("a", QUERY, TEXT, FAIL, "error: {name: bad, type: table}")
    nodes += code_node("b", "{name: bad, type: object}", TEXT, "def transform(i, c, s):\n    return i['bad']['type']")  # fmt: skip
    text = flow(nodes, "{from: a.bad, to: b}", "{from: b, to: _output}")
    assert run_text(text, {"query": "x"}).output == "error"


@pytest.mark.parametrize(("kind", "handled"), [("error", True), ("timeout", False)])
def test_a_failure_that_does_not_fit_the_error_port_goes_on(kind: str, handled: bool) -> None:
    error = f"error: {{name: bad, schema: {{properties: {{type: {{const: {kind}}}}}}}}}"
    nodes = code_node("a", QUERY, TEXT, FAIL, error)
    nodes += code_node("h", "{name: error, type: object}", TEXT, "def transform(i, c, s):\n    return i['error']['reason']")  # fmt: skip
    text = flow(nodes, "{from: a.bad, to: _output, transform: \"'handled'\"}", "{from: h, to: _output}", head=BASE + "on_error: h\n")  # fmt: skip
    output = run_text(text, {"query": "x"}).output
    assert output == "handled" if handled else "error port 'bad' is not valid: at 'type'" in output


def test_error_schema_of_a_port_that_nothing_reads_leaves_nothing_behind() -> None:
    nodes = code_node("a", QUERY, TEXT, FAIL, "error: {name: bad, schema: {type: object}}")
    result = check_text(flow(nodes, "{from: a, to: _output}"))
    assert result.compiled is not None
    assert result.compiled.units["a"].constants.text == ""
