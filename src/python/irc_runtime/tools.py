"""Tools of a prompt: nodes that run with the model's arguments as their inputs."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from irc_runtime import tracing
from irc_runtime.chat import ToolCall, ToolResult
from irc_runtime.context import Context
from irc_runtime.errors import error_type, public_reason
from irc_runtime.schema import Schema
from irc_runtime.streaming import muted
from irc_runtime.tracing import Span

if TYPE_CHECKING:
    from irc_runtime.agent import Agent


@dataclass(frozen=True, slots=True)
class Tool:
    """A node as the model sees it.

    Args:
        name: what the model calls it.
        node: id of the node that runs.
        parameters: what the model's arguments have to fit.
        description: what the tool does, for the model.
        takes: the inputs of the node that the model may give; other arguments are left aside.
        requires: the inputs without which the node does not run.
        fields: inputs that edges feed, each from that field of the request.
        defaults: values of inputs that neither the model nor the request gives.
    """

    name: str
    node: str
    parameters: Schema
    description: str = ""
    takes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)


async def run_calls(
    tools: Sequence[Tool], calls: Sequence[ToolCall], agent: "Agent", context: Context
) -> list[ToolResult]:
    """Run all calls of one round side by side; a call that fails has a result that says so."""
    by_name = {tool.name: tool for tool in tools}
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_run(by_name.get(call.name), call, agent, context)) for call in calls
        ]
    return [task.result() for task in tasks]


async def _run(tool: Tool | None, call: ToolCall, agent: "Agent", context: Context) -> ToolResult:
    if tool is None:
        return _failed(call, "unknown_tool", "there is no such tool")
    try:
        arguments = json.loads(call.arguments or "{}")
    except json.JSONDecodeError as error:
        return _failed(call, "invalid_arguments", f"not JSON: {error.msg} at {error.pos}")
    problem = tool.parameters.problem(arguments)
    if problem is None and not isinstance(arguments, Mapping):
        problem = "expected an object"
    if problem is not None:
        return _failed(call, "invalid_arguments", problem)
    inputs = _inputs(tool, arguments, context)
    lacking = [name for name in tool.requires if name not in inputs]
    if lacking:
        return _failed(call, "invalid_arguments", f"lacks {', '.join(lacking)}")
    muted.set(True)  # for this task and what it starts
    try:
        with tool_span(tool, call):
            outputs = await agent.nodes[tool.node](agent, inputs, context)
        text = json.dumps(dict(outputs), ensure_ascii=False)
    except Exception as error:  # noqa: BLE001  # whatever it is, the model is told
        return _failed(call, error_type(error), public_reason(error))
    error_port = vars(agent.nodes[tool.node])["settings"].error_port
    return ToolResult(call, text, failed=error_port is not None and error_port in outputs)


def tool_span(tool: Tool, call: ToolCall) -> AbstractContextManager[Span]:
    """One call of a tool, by GenAI's conventions."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call.id,
    }
    return tracing.span(f"execute_tool {tool.name}", attributes=attributes)


def _inputs(tool: Tool, arguments: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The node's inputs: only those that the model may give are taken from its arguments."""
    missing = object()
    given = {port: context.get(name, missing) for port, name in tool.fields.items()}
    return {
        **tool.defaults,
        **{port: value for port, value in given.items() if value is not missing},
        **{port: arguments[port] for port in tool.takes if port in arguments},
    }


def _failed(call: ToolCall, kind: str, reason: str) -> ToolResult:
    text = json.dumps({"error": {"type": kind, "reason": reason}}, ensure_ascii=False)
    return ToolResult(call, text, failed=True)
