"""Nodes whose streamed text is the answer of a conversation, as the generated agent names them."""

import pytest

from tests.irc.compiling import agent_of

FLOW = """\
version: "1.0"
metadata: {name: talk}
context: {requires: [FIELD]}
nodes:
  answer:
    inputs: [{name: said, type: array}]
    outputs: [{name: text, type: string}]
    error: {name: problem}
    prompt:
      template: "{{ said }}"
      model: {provider: openai, name: gpt-4o-mini}
      MORE
edges:
  - {from: _input.FIELD, to: answer}
  - EDGE
"""

TOOLS = """\
stream: true
      tools: [{name: look, parameters: {type: object, properties: {what: {type: string}}}, maps_to: look}]
  look:
    inputs: [{name: what, type: string}]
    outputs: [{name: seen, type: string}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            return {"seen": inputs["what"]}
"""

SCHEMA = "stream: true\n      output_schema: {type: string}"


@pytest.mark.parametrize(
    ("edge", "more", "field", "expected"),
    [
        ("{from: answer.text, to: _output}", "stream: true", "messages", ("answer",)),
        ("{from: answer.text, to: _output.content}", "stream: true", "messages", ("answer",)),
        ("{from: answer.text, to: _output.other}", "stream: true", "messages", ()),
        ("{from: answer.text, to: _output}", "", "messages", ()),
        ("{from: answer.text, to: _output}", "stream: true", "history", ()),
        ("{from: answer.text, to: _output}", TOOLS, "messages", ()),
        ("{from: answer.text, to: _output}", SCHEMA, "messages", ()),
        ("{from: answer.problem, to: _output}", "stream: true", "messages", ()),
        (
            "{from: answer.text, to: _output, transform: value.upper()}",
            "stream: true",
            "messages",
            (),
        ),
        (
            "{from: answer.text, to: _output, condition: len(value) > 3}",
            "stream: true",
            "messages",
            (),
        ),
    ],
)
def test_text_that_the_response_is_as_it_stands(
    edge: str, more: str, field: str, expected: tuple[str, ...]
) -> None:
    flow = FLOW.replace("EDGE", edge).replace("MORE", more).replace("FIELD", field)
    assert agent_of(flow).answer_nodes == expected
