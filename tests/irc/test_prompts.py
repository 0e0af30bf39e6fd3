"""Prompts from the flow to the model: what is asked, and what comes of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from irc_runtime.errors import PromptError
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.testing import NodeResult, run_case, run_node
from tests.irc.compiling import agent_of, check_text, codes, generated

MODEL = "      model: {provider: openai, name: gpt-4o-mini}\n"


def flow(prompt: str, more: str = "", nodes: str = "", edges: str = "") -> str:
    """A flow of one prompt node ``ask``, which takes a query and gives a text."""
    return f"""\
version: "1.0"
metadata: {{name: sample}}
context: {{requires: [query, user_id]}}
nodes:
  ask:
    inputs: [{{name: query, type: string}}]
    outputs: [{{name: text, type: string}}]
    prompt:
{prompt}{MODEL}{more}{nodes}edges:
  - {{from: _input.query, to: ask.query}}
  - {{from: ask.text, to: _output}}
{edges}"""


def asked(
    text: str, outcome: Mapping[str, Any], files: Mapping[str, str] | None = None
) -> NodeResult:
    return run_node(
        agent_of(text, files), "ask", {"query": "Why?"}, {"query": "Why?", "user_id": "u1"}, outcome
    )


def said(result: NodeResult) -> str:
    """The user's message of the last call of a model."""
    text: str = result.uses[-1].arguments["messages"][-1].text
    return text


def test_templates_extend_include_and_import_files() -> None:
    files = {
        "base.j2": "[{% block body %}{% endblock %}] {% include 'parts/end.j2' %}",
        "parts/end.j2": "bye {{ query }}{{ tone }}",
        "macros.j2": "{% macro loud(x) %}{{ x | upper }}{% endmacro %}",
    }
    template = (
        "      template: |-\n"
        "        {% extends 'base.j2' %}{% set tone = '!' %}\n"
        "        {% from 'macros.j2' import loud %}\n"
        "        {% block body %}{{ loud(query) }}{% endblock %}\n"
    )
    assert said(asked(flow(template), {"completion": "x"}, files)) == "[WHY?] bye Why?!"


def test_files_of_templates_are_rendered_in_the_sandbox() -> None:
    prompt = Prompt(
        "ask", "{% include 'a' %}", ChatModel("openai", "m"), files={"a": "{{ ''.__class__ }}"}
    )
    with pytest.raises(PromptError):
        prompt.messages({}, Any)  # type: ignore[arg-type]  # the context is not read


def test_a_missing_file_may_be_ignored() -> None:
    template = "      template: \"{{ query }}{% include 'no.j2' ignore missing %}\"\n"
    assert said(asked(flow(template), {"completion": "x"})) == "Why?"


def test_an_operation_runs_before_the_prompt() -> None:
    spec = '{op: hopsworks.read_features, args: {feature_group: people, key: "${query}", features: [name]}}'
    more = f"    transform: {{mode: declarative, spec: {spec}}}\n"
    text = flow('      template: "{{ name }}, {{ text.name }}: {{ query }}"\n', more)
    result = asked(text, {"answer": {"name": "Ada"}, "completion": "x"})
    assert [use.method for use in result.uses] == ["read", "ask"]
    assert said(result) == "Ada, Ada: Why?"
    assert result.outputs == {"text": "x"}


@pytest.mark.parametrize(
    ("spec", "variable", "known"),
    [
        ('{op: io.format_response, args: {template: {a: "${query}"}}}', "a", True),
        ('{op: io.format_response, args: {template: {a: "${query}"}}}', "b", False),
        ('{op: io.format_response, args: {template: "${query}"}}', "text", True),
        ('{op: io.format_response, args: {template: "${query}"}}', "result", False),
        ('{op: http.get, args: {url: "http://localhost:9/${query}"}}', "anything", True),
    ],
)
def test_names_that_an_operation_gives_are_known_where_they_are(
    spec: str, variable: str, known: bool
) -> None:
    more = f"    transform: {{mode: declarative, spec: {spec}}}\n"
    found = codes(check_text(flow(f'      template: "{{{{ {variable} }}}}"\n', more)))
    assert ("E405" in found) is not known


CODE = """\
    transform:
      mode: code
      spec: |
        async def transform(inputs, context, state):
            await state.set("turns", await state.get("turns", 0) + 1)
            return {"loud": inputs["query"].upper()}
    state: {scope: session, key: "{user_id}"}
"""


def test_a_fallback_model_reads_state_and_what_the_transform_gives() -> None:
    prompt = (
        '      template: "{{ loud }} {{ state.turns }}"\n'
        "      output_schema: {type: object, properties: {text: {type: string}}}\n"
        "      fallback: {on: validation_fail, model: {provider: azure, name: other}}\n"
    )
    result = asked(flow(prompt, CODE), {"completion": "no JSON"})
    models = [use.arguments["model"] for use in result.uses]
    assert models == ["gpt-4o-mini", "gpt-4o-mini", "other", "other"]  # each is asked once more
    first = result.uses[2].arguments["messages"][0].text
    assert first == "WHY? 1"  # the failed attempt left nothing behind


def test_a_static_response_stands_in_for_a_fallback_model_that_fails() -> None:
    prompt = (
        '      template: "{{ query }}"\n'
        "      output_schema: {type: object, properties: {text: {type: string}}, required: [text]}\n"
        "      fallback: {on: validation_fail, model: {provider: azure, name: other},"
        ' static_response: \'{"text": "Later."}\'}\n'
    )
    result = asked(flow(prompt), {"completion": "no JSON"})
    assert result.outputs == {"text": "Later."}


TOOLS = """\
      tools:
        - {name: find, parameters: {properties: {day: {type: string}}}, maps_to: orders}
"""
ORDERS = """\
  orders:
    inputs: [{name: day, type: string}, {name: user, type: string}]
    outputs: [{name: found, type: string}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            return f"{inputs['user']} {inputs['day']}"
"""
FED = "  - {from: _input.user_id, to: orders.user}\n"
CALLS = {
    "tool_calls": [{"name": "find", "arguments": {"day": "today", "user": "u2"}}],
    "completion": "Done.",
}


def with_tools() -> str:
    return flow('      template: "{{ query }}"\n' + TOOLS, nodes=ORDERS, edges=FED)


def test_a_tool_runs_its_node_with_arguments_and_what_edges_bring() -> None:
    text = with_tools()
    assert codes(check_text(text)) == []
    result = asked(text, CALLS)
    [outcome] = result.uses[1].arguments["messages"][-1]
    assert outcome.text == '{"found": "u1 today"}'
    assert result.outputs == {"text": "Done."}


def test_parameters_may_be_put_together_of_parts() -> None:
    text = with_tools().replace(
        "{properties: {day: {type: string}}}",
        "{$ref: '#/$defs/day', $defs: {day: {type: object, properties: {day: {type: string}}}}}",
    )
    assert codes(check_text(text)) == []
    [outcome] = asked(text, CALLS).uses[1].arguments["messages"][-1]
    assert outcome.text == '{"found": "u1 today"}'
    [outcome] = (
        asked(text, {**CALLS, "tool_calls": [{"name": "find"}]}).uses[1].arguments["messages"][-1]
    )
    assert outcome.text == '{"error": {"type": "invalid_arguments", "reason": "lacks day"}}'


def test_a_node_that_only_tools_lead_to_does_not_run_otherwise() -> None:
    agent = agent_of(with_tools())
    request = {"query": "Why?", "user_id": "u1"}
    case = run_case(agent, request, {"ask": {"completion": "Because."}})
    assert (case.output, set(case.skipped)) == ("Because.", {"orders"})
    case = run_case(agent, request, {"ask": CALLS, "orders": {"error": "down"}})
    assert (case.output, set(case.ran)) == ("Done.", {"ask", "orders"})


def test_a_node_in_the_flow_may_be_a_tool_as_well() -> None:
    edges = (
        FED + "  - {from: _input.query, to: orders.day}\n  - {from: orders.found, to: ask.more}\n"
    )
    text = flow('      template: "{{ query }} {{ more }}"\n' + TOOLS, nodes=ORDERS, edges=edges)
    text = text.replace("type: string}]\n", "type: string}, {name: more, type: string}]\n", 1)
    case = run_case(agent_of(text), {"query": "Why?", "user_id": "u1"}, {"ask": CALLS})
    assert (case.output, set(case.ran)) == ("Done.", {"ask", "orders"})


@pytest.mark.parametrize(
    ("provider", "temperature", "sent"),
    [
        ("openai", "", True),
        ("anthropic", "", False),
        ("anthropic", "      temperature: 0.7\n", True),
    ],
)
def test_an_agent_imports_the_clients_that_it_uses(
    provider: str, temperature: str, sent: bool
) -> None:
    text = flow('      template: "{{ query }}"\n' + temperature)
    module = generated(text.replace("provider: openai", f"provider: {provider}"))
    imported = [line for line in module.splitlines() if "_chat import" in line]
    assert len(imported) == 1
    assert f"irc_runtime.{provider}_chat" in imported[0]
    assert ("temperature=0.7" in module) is sent
