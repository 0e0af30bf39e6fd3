"""Warnings are certain: what may be meant is not told, and neither are flows that are fine."""

import ast
from pathlib import Path

import pytest

from irc.addresses import host_references, written_address
from irc.diagnostics import Diagnostics, Span
from irc.expressions import compile_expression
from irc.folding import UNKNOWN, folded
from irc.passes.code_reads import input_reads
from irc.pipeline import check
from irc.syntax import Nodes
from tests.irc.compiling import BASE, check_text, code_node, codes

FLOWS = sorted(Path("flows").glob("*/flow.yaml"))
MEANT = {
    "good_collisions": {"W406"},  # a plain transform that awaits is what it shows
    "good_everything": {"W304", "W311", "W312"},  # as many settings in a flow as there are
    "good_wild_effects": {"W301"},  # nodes that do not run
    "good_wild_state_keys": {"W304"},  # a key for each node, from one input
    "good_wild_support": {"W201", "W406"},  # as the first flows were written
    "good_wild_user_code": {"W406"},
}
"""Good flows that do on purpose what is warned of."""

GOOD = sorted(path for path in Path("tests/golden").glob("good_*/flow.*"))

ECHO = code_node(
    "echo", "{name: query, type: string}", "{name: text, type: string}",
    "def transform(i, c, s):\n    return {'text': i['query'] + c.get('locale', '')}",
)  # fmt: skip
ECHOED = "  - {from: _input.query, to: echo.query}\n"


def warned(nodes: str, edges: str) -> list[str]:
    """The codes for a flow of nodes and edges; it must be valid."""
    result = check_text(f"{BASE}nodes:\n{nodes}edges:\n{edges}")
    assert result.compiled is not None, list(result.report)
    return codes(result)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.parent.name)
def test_flows_draw_no_warning(flow: Path) -> None:
    assert codes(check(str(flow), lambda name: Path(name).read_bytes())) == []


@pytest.mark.parametrize("flow", GOOD, ids=lambda path: path.parent.name)
def test_good_flows_draw_none_but_their_own(flow: Path) -> None:
    result = check(flow.name, lambda name: (flow.parent / name).read_bytes())
    assert set(codes(result)) == MEANT.get(flow.parent.name, set())


# Inputs and outputs

GATE = "{name: query, type: string}, {name: gate, type: string}"
GATED = code_node("gated", GATE, "{name: text, type: string}",
                  "def transform(i, c, s):\n    return {'text': i['query']}")  # fmt: skip
OUT = ECHOED + "  - {from: _input.query, to: gated.query}\n  - {from: gated.text, to: _output}\n"


def test_unread_input_is_told() -> None:
    assert warned(ECHO + GATED, OUT + "  - {from: echo.text, to: gated.gate}\n") == ["W304"]


def test_input_that_steers_is_not_told() -> None:
    condition = "  - {from: echo.text, to: gated.gate, condition: value != ''}\n"
    assert warned(ECHO + GATED, OUT + condition) == []
    effect = ECHO.replace("    transform:", "    state: {scope: request}\n    transform:")
    assert warned(effect + GATED, OUT + "  - {from: echo.text, to: gated.gate}\n") == []
    error = ECHO.replace("    transform:", "    error: {name: error}\n    transform:")
    typed = GATED.replace("gate, type: string", "gate, type: object")
    assert warned(error + typed, OUT + "  - {from: echo.error, to: gated.gate}\n") == []


def test_input_with_a_schema_is_not_told() -> None:
    checked = GATED.replace("gate, type: string", "gate, type: string, schema: {minLength: 1}")
    assert warned(ECHO + checked, OUT + "  - {from: echo.text, to: gated.gate}\n") == []


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("return inputs['a']", {"a"}),
        ("return inputs.get('a', 1), 'b' in inputs", {"a", "b"}),
        ("inputs['a'] = 1", None),
        ("return dict(inputs)", None),
        ("return inputs[name]", None),
        ("return inputs.items()", None),
        ("return [inputs['a'] for x in range(3)]", {"a"}),
        ("return helper(**inputs)", None),
        ("return locals()", None),
        ("return 1", set()),
    ],
)
def test_reads_of_code_are_known_or_unknown(body: str, read: set[str] | None) -> None:
    (function,) = ast.parse(f"def transform(inputs, context, state):\n    {body}").body
    assert isinstance(function, ast.FunctionDef)
    assert input_reads(function, Nodes(ast.walk(function))) == read


def test_outputs_of_an_effect_are_not_told() -> None:
    post = """\
  post:
    inputs: [{name: query, type: string}]
    outputs: [{name: status, type: number}, {name: body, type: object}]
    transform:
      mode: declarative
      spec: {op: http.post, args: {url: "https://example.com/a", body: "${query}"}}
"""
    edges = (
        ECHOED
        + "  - {from: echo.text, to: _output.text}\n  - {from: _input.query, to: post.query}\n"
    )
    assert warned(ECHO + post, edges) == []
    assert warned(ECHO + post, edges + "  - {from: post.body, to: _output.body}\n") == []
    assert warned(ECHO + post, edges + "  - {from: post.status, to: _output.s}\n") == ["W305"]


# Conditions


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("value", UNKNOWN),
        ("True", True),
        ("not False", True),
        ("1 > 2", False),
        ("-1 < 0", True),
        ("'a' in ['a']", True),
        ("'a' < 1", UNKNOWN),
        ("value and False", False),
        ("value or 1", True),
        ("value or 0", UNKNOWN),
        ("1 if True else value", 1),
        ("value if value else 1", UNKNOWN),
        ("value == 1 and value == 1.0", UNKNOWN),
        ("value == 1 and value == True", UNKNOWN),
        ("value == 1 and value != 1", False),
        ("value == 1 or value != 1", True),
        ("value < 1 or value >= 1", UNKNOWN),  # NaN
        ("value > 5 and value < 3", False),
        ("3 > value and 5 < value", False),
        ("value >= 5 and value <= 5", UNKNOWN),
        ("value > 5 and value <= 5", False),
        ("value > 5 and value.a < 3", UNKNOWN),
        ("value > 5 or value < 3", UNKNOWN),
        ("value < 'a' and value > 'b'", UNKNOWN),
        ("value == 4 and value > 5", False),
        ("value != 'a' or value != 'b'", True),
        ("value != 'a' or value != 'a'", UNKNOWN),
        ("len(value) > 3 and len(value) < 2", False),
    ],
)
def test_condition_is_decided_only_where_it_is_certain(condition: str, value: object) -> None:
    report = Diagnostics()
    scope = {"value": "value"}
    found = compile_expression(condition, scope, (), report, lambda a, b: Span("f", 1, a, 1, b))
    assert found is not None
    assert folded(found.tree) == value


# Hosts


@pytest.mark.parametrize(
    ("url", "roots", "written"),
    [
        ("https://example.com/${a}", [], "https://example.com"),
        ("https://${a}/x", ["a"], None),
        ("https://example.com${a}", ["a"], None),
        ("https://example.com?q=${a}", [], "https://example.com"),
        ("https://example.com#${a}/b", [], "https://example.com"),
        ("https://u:${a}@example.com:${b}/c/${d}", ["a", "b"], None),
        ("http://${env.A}.example.com:${env.B}/c", ["env", "env"], "http://${env.A}.example.com:${env.B}"),
        ("${a}://example.com/${b}", ["a"], None),
        ("${env.A}://example.com/${b}", ["env"], "${env.A}://example.com"),
        ("${a}/v1/${b}", ["a"], None),
        ("${env.A}/v1/${b}", ["env"], "${env.A}"),
        ("${env.A}${b}", ["env"], "${env.A}"),
        ("${env.A}${env.B}?${b}", ["env"], "${env.A}${env.B}"),
        ("${a}${b}", ["a"], None),
        ("/v1/${a}", [], None),
        ("v1/${a}://x", [], None),
        ("${a['://']}/${b}", ["a"], None),
    ],
)
def test_references_in_a_host_are_told_from_others(
    url: str, roots: list[str], written: str | None
) -> None:
    assert [reference.root for reference in host_references(url)] == roots
    assert written_address(url) == written


GET = """\
  get:
    inputs: [{name: host, type: string}]
    outputs: [{name: body, type: object}]
    transform:
      mode: declarative
      spec: {op: http.get, args: {url: "https://${host}/v1"}}
"""
GOT = "  - {from: get.body, to: _output}\n"


def test_host_of_the_request_is_told() -> None:
    assert warned(GET, "  - {from: _input.query, to: get.host}\n" + GOT) == ["W302", "W307"]


def hosts_told(nodes: str, edges: str) -> list[str]:
    """What is said of hosts."""
    found = check_text(f"{BASE}nodes:\n{nodes}edges:\n{edges}").report
    told = [item.message for item in found if item.code == "W307"]
    return [message.removeprefix("the host of this URL ") for message in told]


@pytest.mark.parametrize(
    "port", ["schema: {enum: [a, b]}", "schema: {pattern: '^[a-z]+$'}", "schema: {type: number}"]
)
def test_host_that_a_schema_restricts_is_not_the_requests(port: str) -> None:
    node = GET.replace("host, type: string", f"host, type: string, {port}")
    edges = "  - {from: _input.query, to: get.host}\n" + GOT
    assert hosts_told(node, edges) == ["is not said by the flow"]


def test_host_that_a_condition_or_code_has_chosen_is_not_the_requests() -> None:
    guarded = "  - {from: _input.query, to: get.host, condition: \"query in ['a', 'b']\"}\n"
    chosen = "  - {from: _input.query, to: get.host, transform: \"{'a': 'b'}[value]\"}\n"
    by_code = ECHOED + "  - {from: echo.text, to: get.host}\n"
    for nodes, edges in ((GET, guarded), (GET, chosen), (ECHO + GET, by_code)):
        assert hosts_told(nodes, edges + GOT) == ["is not said by the flow"]


def test_hosts_that_the_deployment_names_are_not_told() -> None:
    edges = "  - {from: _input.query, to: get.host}\n" + GOT
    assert hosts_told(GET, edges) == ["comes from the request"]
    named = "deployment: {kserve: {env: {IRC_HTTP_HOSTS: '*.example.com'}}}\n"
    assert hosts_told(GET, edges + named) == []


def test_part_of_the_request_is_followed() -> None:
    edges = "  - {from: _input.query, to: get.host, transform: value.server.host}\n"
    assert hosts_told(GET, edges + GOT) == ["comes from the request"]


def test_host_of_the_environment_is_not_told() -> None:
    node = GET.replace("https://${host}", "${env.BASE}${host}")
    assert "W307" not in warned(node, "  - {from: _input.query, to: get.host}\n" + GOT)


TOOL = """\
  ask:
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: string}]
    prompt:
      template: "{{ query }}"
      model: {provider: openai, name: gpt-4o-mini}
      tools:
        - name: look_up
          maps_to: get
          parameters: {type: object, required: [host], properties: {host: {type: string}}}
"""
ASKED = "  - {from: _input.query, to: ask.query}\n  - {from: ask.text, to: _output}\n"


def test_host_that_a_model_gives_its_tool_is_told() -> None:
    assert warned(TOOL + GET, ASKED) == ["W302", "W307"]
    listed = TOOL.replace("host: {type: string}", "host: {enum: [a.example, b.example]}")
    assert hosts_told(listed + GET, ASKED) == ["is not said by the flow"]
