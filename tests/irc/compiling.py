"""What tests of the compiler share: flows as texts, compiled in memory and run."""

import sys
import types
from collections.abc import Mapping
from typing import Any

from irc.pipeline import Result, check, generate
from irc.render.text import render_text
from irc_runtime.agent import Agent
from irc_runtime.testing import CaseResult, run_case

BASE = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [query], optional: [locale]}
"""
"""The head of a flow that takes a query."""


def check_text(
    text: str | bytes, files: Mapping[str, str] | None = None, name: str = "flow.yaml"
) -> Result:
    """Check a flow that stands in memory, with the files beside it."""
    contents = {name: text, **(files or {})}

    def read(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(path)
        content = contents[path]
        return content.encode() if isinstance(content, str) else content

    return check(name, read)


def codes(result: Result) -> list[str]:
    """The codes of the findings, in the order of the file."""
    return [item.code for item in result.report]


def rendered(result: Result) -> str:
    """The findings as a user reads them."""
    return render_text(result.report, result.sources)


def generated(text: str, files: Mapping[str, str] | None = None) -> str:
    """The agent's module; the flow must be valid."""
    result = check_text(text, files)
    assert result.compiled is not None, rendered(result)
    return generate(result.compiled)["agent.py"]


def agent_of(text: str, files: Mapping[str, str] | None = None) -> type[Agent]:
    """The agent's class, from executing the generated module."""
    return class_of(generated(text, files))


def class_of(source: str) -> type[Agent]:
    """The agent's class, from executing a generated module."""
    module = types.ModuleType("agent")
    sys.modules["agent"] = module
    exec(compile(source, "agent.py", "exec"), vars(module))  # noqa: S102  (the product is code)
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Agent) and value is not Agent
    )


def run_text(
    text: str, request: Mapping[str, Any], mocks: Mapping[str, Any] | None = None
) -> CaseResult:
    """Compile a flow and send one request to its agent."""
    return run_case(agent_of(text), request, mocks or {})


def code_node(name: str, inputs: str, outputs: str, source: str, more: str = "") -> str:
    """The YAML of a node with code, indented to stand below ``nodes:``.

    Args:
        inputs: ports as YAML flow mappings, such as ``{name: a, type: string}``.
        source: the Python text.
        more: further keys of the node, one a line.
    """
    lines = [
        f"  {name}:",
        f"    inputs: [{inputs}]",
        f"    outputs: [{outputs}]",
        *(f"    {line}" for line in more.splitlines()),
        "    transform:",
        "      mode: code",
        "      spec: |",
        *(f"        {line}" for line in source.strip("\n").splitlines()),
    ]
    return "\n".join(lines) + "\n"
