"""The flows of `serving.py`, and their agents' servers.

    python served_flows.py AGENT.PY PORT

Nodes of both give their results at once. `EMPTY` has nothing else: five nodes that join texts. `WHOLE` does
all that happens between the edges of a usual flow: session state, a template, an answer by schema.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from request_graphs import GRAPHS, flow

NAME = "requests"

EMPTY = flow(GRAPHS["five nodes"]).replace("to: _output}", "to: _output.text}")

WHOLE = """\
version: "1.0"
metadata: {name: requests}
context: {requires: [query, session_id]}
nodes:
  remember:
    inputs: [{name: query, type: string}]
    outputs: [{name: history, type: array}]
    state: {scope: session, key: "{session_id}", ttl_seconds: 3600}
    transform:
      mode: code
      spec: |
        async def transform(inputs, context, state):
            history = await state.get("history", [])
            await state.set("history", [*history, inputs["query"]][-10:])
            return {"history": history}
  answer:
    inputs: [{name: query, type: string}, {name: history, type: array}]
    outputs: [{name: text, type: string}, {name: sure, type: boolean}]
    prompt:
      template: |
        {% for line in history %}- {{ line }}
        {% endfor %}Question: {{ query }}
      model: {provider: openai, name: gpt-4o-mini, endpoint: "http://127.0.0.1:1/v1"}
      output_schema:
        type: object
        required: [text, sure]
        properties: {text: {type: string}, sure: {type: boolean}}
    runtime: {timeout_ms: 20000, retries: 2}
  respond:
    inputs: [{name: text, type: string}, {name: sure, type: boolean}]
    outputs: [{name: reply, type: object}]
    transform:
      mode: declarative
      spec: {op: io.format_response, args: {template: {text: "${text}", sure: "${sure}"}}}
edges:
  - {from: _input.query, to: remember}
  - {from: _input.query, to: answer.query}
  - {from: remember.history, to: answer.history}
  - {from: answer.text, to: respond.text}
  - {from: answer.sure, to: respond.sure}
  - {from: respond, to: _output}
"""

COMPLETION = '{"text": "It arrives today.", "sure": true}'


def stub_models() -> None:
    """Have models answer at once."""
    from irc_runtime.chat import Reply
    from irc_runtime.models import ChatModels

    async def ask(self: Any, *arguments: Any, **options: Any) -> Reply:
        return Reply(COMPLETION)

    ChatModels.ask = ask  # type: ignore[method-assign]  # the stub


def serve(module_path: str, port: str) -> None:
    """Serve a generated agent as its own last lines do, on a port."""
    specification = importlib.util.spec_from_file_location("agent", module_path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    if hasattr(module, "ChatModels"):
        stub_models()
    from irc_runtime.serving import serve as serve_agent

    serve_agent(module.RequestsAgent(), [f"--http_port={port}", "--enable_grpc=false"])


if __name__ == "__main__":
    serve(str(Path(sys.argv[1]).resolve()), sys.argv[2])
