"""The generated test file: what it holds, and that it says what it leaves out."""

from irc.emit.flow_tests import flow_tests
from irc.pipeline import generate
from tests.irc.compiling import check_text, rendered

HEAD = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [user_id], optional: [locale]}
"""


def generated_tests(nodes: str, edges: str = "") -> str:
    """The generated tests of a flow in which the last node, ``ask``, leads to the output."""
    text = f"{HEAD}nodes:\n{nodes}edges:\n{edges}  - {{from: ask, to: _output}}\n"
    result = check_text(text)
    assert result.compiled is not None, rendered(result)
    return generate(result.compiled)["test_agent.py"]


def ask(template: str, more: str = "") -> str:
    """A prompt node over ``user_id``."""
    return (
        "  ask:\n    inputs: [{name: user_id, type: string}]\n"
        "    outputs: [{name: text, type: string}]\n"
        "    prompt:\n      model: {provider: openai, name: m-1}\n"
        f"      template: {template!r}\n{more}"
    )


EDGE = "  - {from: _input.user_id, to: ask.user_id}\n"


def test_what_a_prompt_must_hold_is_said() -> None:
    text = generated_tests(ask("For {{ user_id }} in {{ context.locale }}"), EDGE)
    assert 'prompt_holds=("sample user_id", "sample locale")' in text
    assert 'model="m-1"' in text
    assert "def test_own_work(node: NodeFacts)" in text


def test_a_template_that_is_not_understood_is_left_out_with_a_comment() -> None:
    text = generated_tests(ask("{{ user_id | map('upper') | list }}"), EDGE)
    assert "# Not tested of 'ask': its own work, for which no values were found." in text
    assert "def test_own_work" not in text
    assert "def test_timeout" in text


def test_a_port_without_a_sample_is_left_out_with_a_comment() -> None:
    nodes = ask("Hello").replace(
        "type: string}]\n    prompt", "type: string, schema: {pattern: '^zz9{3}$'}}]\n    prompt"
    )
    text = generated_tests(nodes, EDGE)
    assert "# Not tested of 'ask': no outputs that fit its schemas were found." in text
    assert "NodeFacts" not in text


def test_hundreds_of_attempts_are_not_counted_out() -> None:
    text = generated_tests(ask("Hello", "    runtime: {retries: 500}\n"), EDGE)
    assert "# Not tested of 'ask': its 500 attempts, which are too many." in text
    assert "def test_attempts" not in text


def test_an_address_is_said_with_its_references_filled_in() -> None:
    node = """\
  ask:
    inputs: [{name: user_id, type: string}, {name: order, type: object}]
    outputs: [{name: body, type: object}]
    transform:
      mode: declarative
      spec:
        op: http.post
        args:
          url: "${env.SHOP}/v1/${user_id}?trace=${context.trace_id}"
          headers: {Authorization: "Bearer ${env.TOKEN}"}
          body: {lines: "${order.lines[1].sku}", whole: "${order.id}"}
"""
    edges = EDGE + "  - {from: _input.locale, to: ask.order}\n"
    text = generated_tests(node, edges)
    assert '"url": "${env.SHOP}/v1/sample user_id?trace=sample trace_id"' in text
    assert '"headers": {"Authorization": "Bearer ${env.TOKEN}"}' in text
    assert '"lines": "sample order.lines.sku", "whole": "sample order.id"' in text


BRANCHING = (
    HEAD
    + """\
nodes:
  score:
    inputs: [{name: user_id, type: string}]
    outputs: [{name: risk, type: number, schema: {minimum: 0, maximum: 1}}]
    error: {name: error}
    transform: {mode: code, spec: "def transform(inputs, context, state):\\n    return 0.5"}
  warn:
    inputs: [{name: risk, type: string}]
    outputs: [{name: text, type: string}]
    transform: {mode: declarative, spec: {op: io.format_response, args: {template: "${risk}"}}}
edges:
  - {from: _input.user_id, to: score}
  - {from: score.risk, to: warn, condition: risk >= 0.75}
  - {from: warn, to: _output.text}
  - {from: score.error, to: _output.failure}
"""
)


def test_a_condition_gets_a_value_on_each_side_of_it() -> None:
    result = check_text(BRANCHING)
    assert result.compiled is not None, rendered(result)
    samples, turned, failed = flow_tests(result.compiled).branches
    assert samples.ran == ["score", "warn"]
    assert samples.received == {"warn": {"risk": "0.75"}}
    assert samples.output == {"text": "sample risk"}
    assert (turned.name, turned.skipped) == ("score.risk unless risk >= 0.75", ["warn"])
    assert 0 <= turned.outputs["score"]["risk"] < 0.75
    assert turned.reasons == ["flow.yaml:16: risk >= 0.75"]
    assert (failed.failed, failed.skipped) == ("score", ["warn"])


def test_an_expression_that_never_ends_is_not_evaluated() -> None:
    result = check_text(BRANCHING.replace("risk >= 0.75", "risk ** 9 ** 9 > 1"))
    assert result.compiled is not None, rendered(result)
    tests = flow_tests(result.compiled)
    assert tests.branches == []
    assert tests.left_out == ["the flow as a whole: no values were found for all of its edges"]
