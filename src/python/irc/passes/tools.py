"""Tools of prompts: do they lead to nodes that can run with what the model and the request give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph, NodePort, RequestField
from irc.ir.model import Tool
from irc.source import Document, Path


def tools_of(graph: Graph, names: Iterable[str]) -> list[str]:
    """The nodes behind the tools of some nodes, and behind theirs, in file order."""
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        for tool in _tools(graph, wanted.pop()):
            if tool.maps_to not in found:
                found.add(tool.maps_to)
                wanted.append(tool.maps_to)
    return [name for name in graph.flow.nodes if name in found]


def request_field(graph: Graph, port: NodePort) -> str | None:
    """The request's field that an edge takes to an input as it is; None where there is none."""
    for link in graph.into(port):
        plain = link.edge.condition is None and link.edge.transform is None
        if isinstance(link.source, RequestField) and plain:
            return link.source.name
    return None


def argument_names(parameters: Any) -> set[str] | None:
    """The arguments that a tool's parameters declare; None where they are put together of parts."""
    if {"$ref", "allOf", "anyOf", "oneOf"} & set(parameters):
        return None
    properties = parameters.get("properties")
    return set(properties) if isinstance(properties, dict) else set()


def check_tools(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Check that every tool can run its node.

    Reports:
        E409 tools that lead back to their prompt, E410 nodes that lack inputs, or wait for state
        that the prompt holds.
    """
    place = {name: index for index, name in enumerate(graph.flow.nodes)}
    for name in graph.flow.nodes:
        for index, tool in enumerate(_tools(graph, name)):
            path: Path = ("nodes", name, "prompt", "tools", index)
            _check_inputs(document, graph, tool, path, report)
            _check_state(document, graph, name, tool, path, report)
            cycle = _way_back(graph, name, tool.maps_to)
            if cycle and min(cycle, key=place.__getitem__) == name:
                report.error(
                    "E409", document.span((*path, "maps_to")),
                    f"the tool '{tool.name}' leads back to its prompt: "
                    + " -> ".join([*cycle, name]),
                    hint="take out one of these tools",
                )  # fmt: skip


def _tools(graph: Graph, name: str) -> list[Tool]:
    prompt = graph.flow.nodes[name].prompt
    return [] if prompt is None else prompt.tools


def _way_back(graph: Graph, prompt: str, first: str) -> list[str]:
    """A shortest cycle of tools from a prompt through the node of one of them; empty for none."""
    seen = {first}
    ways = [[prompt, first]]
    for way in ways:
        if way[-1] == prompt:
            return way[:-1]
        for tool in _tools(graph, way[-1]):
            if tool.maps_to not in seen:
                seen.add(tool.maps_to)
                ways.append([*way, tool.maps_to])
    return []


def _check_inputs(
    document: Document, graph: Graph, tool: Tool, path: Path, report: Diagnostics
) -> None:
    if tool.parameters.get("type", "object") != "object":
        return  # reported where it stands
    given = argument_names(tool.parameters)
    if given is None:
        return  # the run time tells the model what it did not give
    for index, port in enumerate(graph.flow.nodes[tool.maps_to].inputs):
        target = NodePort(tool.maps_to, port.name)
        if port.name in given or port.optional or port.default is not None:
            continue
        if request_field(graph, target) is not None:
            continue
        hint = f"add '{port.name}' to the properties, or an edge from '_input' to '{target}'"
        if graph.into(target):
            hint = "of edges, a tool's node gets what comes from '_input' as it is; " + hint
        report.error(
            "E410", document.key_span((*path, "parameters")),
            f"the tool '{tool.name}' does not give the input '{target}'",
            related=[
                (document.span(("nodes", tool.maps_to, "inputs", index, "name")), "it is required")
            ],
            hint=hint,
        )  # fmt: skip


def _check_state(
    document: Document, graph: Graph, name: str, tool: Tool, path: Path, report: Diagnostics
) -> None:
    held = graph.flow.nodes[name].state
    if held is None:
        return
    for other in [tool.maps_to, *tools_of(graph, [tool.maps_to])]:
        state = graph.flow.nodes[other].state
        if other == name or state is None or state.scope != held.scope:
            continue
        if (state.key or other) == (held.key or name):
            report.error(
                "E410", document.span((*path, "maps_to")),
                f"'{other}' would wait for the state that '{name}' holds while it asks the model",
                related=[(document.key_span(("nodes", other, "state")), f"the state of '{other}'")],
                hint="give the two states different keys",
            )  # fmt: skip
