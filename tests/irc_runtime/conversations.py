"""Flows that take conversations, or not, and OpenAI's client asking them."""

from pathlib import Path
from typing import Any

import openai

from tests.irc_runtime.served import Served

CONCIERGE = Path("tests/golden/good_conversation/flow.yaml")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASKED: Any = [
    {"role": "system", "content": "Be quick."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "When is "}, {"type": "text", "text": "tea?"}],
    },
]

ECHO = """\
version: "1.0"
metadata: {name: echo}
context: {optional: [messages, form, temperature]}
nodes:
  tell:
    inputs: [{name: messages, type: array}]
    outputs: [{name: told, type: object}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            count = len(inputs["messages"])
            if context.form == "content":
                return {"told": {"content": f"{count} messages", "count": count}}
            if context.form == "fields":
                kept = ("session_id", "temperature", "colour")
                return {"told": {"user": context.user_id, **{key: context.get(key) for key in kept}}}
            return {"told": {"count": count}}
edges:
  - {from: _input.messages, to: tell}
  - {from: tell, to: _output}
"""

NO_CONVERSATION = """\
version: "1.0"
metadata: {name: adder}
context: {requires: [number]}
nodes:
  add:
    inputs: [{name: number, type: number}]
    outputs: [{name: sum, type: number}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            return {"sum": inputs["number"] + 1}
edges:
  - {from: _input.number, to: add}
  - {from: add, to: _output}
"""


def client(agent: Served, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=agent.url("/openai/v1"), api_key="any", **options)


def ask(agent: Served, **parameters: Any) -> Any:
    """The completion of an agent, or its stream; parameters are the client's."""
    arguments = {"model": agent.name, "messages": ASKED, **parameters}
    return client(agent).chat.completions.create(**arguments)


def streamed(agent: Served, **parameters: Any) -> list[Any]:
    """The chunks of an agent's answer."""
    return list(ask(agent, stream=True, **parameters))


def texts(chunks: list[Any]) -> list[str]:
    """The pieces of text in chunks."""
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    return [delta.content for delta in deltas if delta.content]
