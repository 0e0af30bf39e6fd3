"""What flows mean, as the language says: each is compiled and run."""

import pytest

from tests.irc.compiling import BASE, agent_of, check_text, code_node, codes, generated, run_text

QUERY = "{name: query, type: string}"
TEXT = "{name: text, type: string}"
ECHO = "def transform(i, c, s):\n    return {'text': i['query']}"
FAIL = "def transform(i, c, s):\n    raise ValueError('boom')"
SHOW = "def transform(i, c, s):\n    return {'text': dict(i)}"
TO_A = "{from: _input.query, to: a.query}"


def flow(nodes: str, *edges: str, head: str = BASE) -> str:
    return head + "nodes:\n" + nodes + "edges: [" + ", ".join(edges) + "]\n"


def test_defaults_that_are_falsy_are_defaults() -> None:
    inputs = (
        QUERY
        + ", {name: n, type: number, default: 0}, {name: l, type: array, optional: true, default: []}"
    )
    text = flow(
        code_node("a", inputs, "{name: text, type: object}", SHOW), TO_A, "{from: a, to: _output}"
    )
    assert run_text(text, {"query": "x"}).output == {"query": "x", "n": 0, "l": []}


def test_optional_output_left_out_skips_what_needs_it() -> None:
    nodes = code_node(
        "a",
        QUERY,
        "{name: text, type: string, optional: true}",
        "def transform(i, c, s):\n    return None",
    )
    nodes += code_node("b", QUERY, TEXT, ECHO)
    case = run_text(flow(nodes, TO_A, "{from: a, to: b}", "{from: b, to: _output}"), {"query": "x"})
    assert (case.status, set(case.ran)) == (500, {"a"})


def test_required_output_left_out_fails_in_its_node() -> None:
    nodes = code_node("a", QUERY, TEXT, "def transform(i, c, s):\n    return None")
    case = run_text(flow(nodes, TO_A, "{from: a, to: _output}"), {"query": "x"})
    assert case.error is not None
    assert "'a' failed (validation_fail)" in case.error


def test_optional_output_and_error_route_of_one_node() -> None:
    nodes = code_node("a", QUERY, "{name: text, type: string, optional: true}",
                      "def transform(i, c, s):\n    return None", "error: {name: bad}")  # fmt: skip
    nodes += code_node(
        "b", "{name: bad, type: object}", TEXT, "def transform(i, c, s):\n    return 'bad'"
    )
    nodes += code_node("d", QUERY, TEXT, ECHO)
    edges = [
        TO_A,
        "{from: a.bad, to: b}",
        "{from: a.text, to: d}",
        "{from: b, to: d}",
        "{from: d, to: _output}",
    ]
    case = run_text(flow(nodes, *edges), {"query": "x"})
    assert case.skipped == {"b", "d"}
    assert case.error is not None
    assert "nothing was delivered" in case.error


def test_error_port_with_an_edge_transform() -> None:
    nodes = code_node("a", QUERY, TEXT, FAIL, "error: {name: bad}")
    edges = [
        TO_A,
        "{from: a.bad, to: _output, transform: \"bad.type + '/' + bad.node\"}",
        "{from: a.text, to: _output}",
    ]
    assert run_text(flow(nodes, *edges), {"query": "x"}).output == "error/a"


def test_nothing_delivered_names_the_conditions() -> None:
    nodes = code_node("a", QUERY, TEXT, ECHO)
    edges = [
        TO_A,
        "{from: a, to: _output.x, condition: value == 'y'}",
        "{from: a, to: _output.z, condition: text == 'q'}",
    ]
    case = run_text(flow(nodes, *edges), {"query": "x"})
    assert case.error is not None
    assert "value == 'y'; flow.yaml:13: text == 'q'" in case.error


def test_handler_answers_when_nothing_was_delivered() -> None:
    nodes = code_node("a", QUERY, TEXT, ECHO)
    nodes += code_node(
        "b",
        "{name: error, type: object}",
        TEXT,
        "def transform(i, c, s):\n    return i['error']['type']",
    )
    text = flow(
        nodes, TO_A, "{from: a, to: _output, condition: value == 'q'}", head=BASE + "on_error: b\n"
    )
    assert run_text(text, {"query": "x"}).output == "no_output"


def test_input_with_a_default_runs_without_the_handler_that_feeds_it() -> None:
    nodes = code_node("a", QUERY, TEXT, ECHO)
    nodes += code_node(
        "h", "{name: error, type: object}", TEXT, "def transform(i, c, s):\n    return 'sorry'"
    )
    nodes += code_node("d", QUERY + ", {name: hint, type: string, default: none}", "{name: text, type: object}", SHOW)  # fmt: skip
    edges = [
        TO_A,
        "{from: _input.query, to: d.query}",
        "{from: h, to: d.hint}",
        "{from: a, to: _output.a}",
        "{from: d, to: _output.d}",
    ]
    case = run_text(flow(nodes, *edges, head=BASE + "on_error: h\n"), {"query": "x"})
    assert case.output == {"a": "x", "d": {"query": "x", "hint": "none"}}


def test_effectful_tool_whose_other_input_has_a_default_runs_in_the_flow() -> None:
    nodes = code_node(
        "t", QUERY + ", {name: n, type: number, default: 1}", TEXT, ECHO, "state: {scope: request}"
    )
    nodes += """\
  a:
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: string}]
    prompt:
      template: "{{ query }}"
      model: {provider: openai, name: m}
      tools: [{name: t, parameters: {type: object, properties: {n: {type: number}}}, maps_to: t}]
"""
    text = flow(nodes, TO_A, "{from: _input.query, to: t.query}", "{from: a, to: _output}")
    assert set(run_text(text, {"query": "x"}, {"a": {"completion": "x"}}).ran) == {"a", "t"}


def test_aliased_code_is_placed_once_a_node() -> None:
    node = f"{{inputs: [{QUERY}], outputs: [{TEXT}], transform: "
    code = "&t {mode: code, spec: \"def helper(x):\\n    return x\\n\\ndef transform(i, c, s):\\n    return helper(i['query'])\\n\"}"
    nodes = f"  a: {node}{code}}}\n  b: {node}*t}}\n"
    assert (
        run_text(
            flow(nodes, TO_A, "{from: a, to: b}", "{from: b, to: _output}"), {"query": "x"}
        ).output
        == "x"
    )


def test_references_with_quotes_within_longer_text() -> None:
    head = 'version: "1.0"\nmetadata: {name: a}\ncontext: {requires: [o]}\n'
    template = '["o={${o[\\"it\'s\\"]}} \\"q\\" \\a", \'${o.l[-1]} {x}\']'
    nodes = (
        "  a:\n    inputs: [{name: o, type: object}]\n    outputs: [{name: t, type: array}]\n"
        "    transform: {mode: declarative, spec: {op: io.format_response, args: {template: "
        + template
        + "}}}\n"
    )
    text = flow(nodes, "{from: _input.o, to: a}", "{from: a, to: _output}", head=head)
    assert run_text(text, {"o": {"it's": 1, "l": [3]}}).output == ['o={1} "q" \a', "3 {x}"]


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("return ctx.get('zone') + ctx.user_id", '[dict(inputs), ctx.user_id, ctx.get("zone")]'),
        ("return i['query']", "dict(inputs)"),
        ("return str(ctx)", '[dict(inputs), ctx.auth, ctx.get("locale"), ctx.get("query"), ctx.session_id, ctx.user_id]'),
    ],
)  # fmt: skip
def test_cache_key_holds_what_code_reads(code: str, key: str) -> None:
    source = f"def transform(i, ctx, s):\n    {code}"
    nodes = code_node("a", QUERY, TEXT, source, "runtime: {cache: {ttl_seconds: 1}}")
    module = generated(flow(nodes, TO_A, "{from: a, to: _output}"))
    assert f"cache_key=lambda inputs, ctx: {key}" in " ".join(module.split())


def test_effects_run_though_no_output_needs_them() -> None:
    nodes = code_node("a", QUERY, TEXT, ECHO) + code_node(
        "b", QUERY, TEXT, ECHO, "state: {scope: request}"
    )
    edges = [TO_A, "{from: _input.query, to: b}", "{from: a, to: _output}"]
    assert run_text(flow(nodes, *edges), {"query": "x"}).ran == {"a", "b"}


def test_constants_of_like_named_ports_differ() -> None:
    port = "{name: %s, type: string, schema: {const: %s}}"
    nodes = code_node(
        "a", QUERY, port % ("b_c", "one"), "def transform(i, c, s):\n    return 'one'"
    )
    nodes += code_node(
        "a_b", QUERY, port % ("c", "two"), "def transform(i, c, s):\n    return 'two'"
    )
    edges = [TO_A, "{from: a.b_c, to: a_b}", "{from: a_b.c, to: _output}"]
    assert run_text(flow(nodes, *edges), {"query": "x"}).output == "two"


def test_a_node_starts_as_soon_as_its_inputs_are_there() -> None:
    slow = "import asyncio\n\n\nasync def transform(i, c, s):\n    await asyncio.sleep(%s)\n    return i['query']"
    nodes = "".join(code_node(name, QUERY, TEXT, slow % seconds, "runtime: {timeout_ms: 3500}")
                    for name, seconds in (("a", 3), ("b", 1), ("d", 3)))  # fmt: skip
    nodes += code_node(
        "e",
        "{name: x, type: string}, {name: y, type: string}",
        TEXT,
        "def transform(i, c, s):\n    return c.user_id",
    )
    edges = [
        TO_A,
        "{from: _input.query, to: b}",
        "{from: b, to: d}",
        "{from: a, to: e.x}",
        "{from: d, to: e.y}",
        "{from: e, to: _output}",
    ]
    agent = agent_of(flow(nodes, *edges))
    agent.request_timeout_s = 4.5  # one after the other takes 7 s; side by side 4 s
    from irc_runtime.testing import run_case

    assert run_case(agent, {"query": "x", "user_id": "u"}, {}).output == "u"


def test_unknown_operation_of_a_dead_node_is_told() -> None:
    nodes = (
        code_node("a", QUERY, TEXT, ECHO)
        + "  b: {transform: {mode: declarative, spec: {op: x.y}}}\n"
    )
    assert codes(check_text(flow(nodes, TO_A, "{from: a, to: _output}"))) == ["W301", "E204"]
