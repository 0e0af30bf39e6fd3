"""Ports that lead nowhere: inputs that a node does not read, outputs that no edge reads."""

from __future__ import annotations

import string
from collections.abc import Mapping

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph, Link, NodePort
from irc.ir.lowered import Facts
from irc.ir.model import Node
from irc.ops.registry import operation_of
from irc.passes.analyse import Analysis
from irc.passes.liveness import is_effectful, is_error_input
from irc.source import Document


def check_unread_ports(
    document: Document,
    graph: Graph,
    analysis: Analysis,
    nodes: Mapping[str, Facts],
    report: Diagnostics,
) -> None:
    """Say which ports of running nodes could be taken out.

    Reports:
        W304 inputs, W305 outputs.
    """
    read = {link.source for link in graph.links if isinstance(link.source, NodePort)}
    tools = {
        tool.maps_to
        for node in graph.flow.nodes.values()
        if node.prompt
        for tool in node.prompt.tools
    }
    for name in analysis.running:
        _check_inputs(document, graph, name, nodes[name], report)
        if name not in tools:
            _check_outputs(document, graph, name, read, report)


def _check_inputs(
    document: Document, graph: Graph, name: str, facts: Facts, report: Diagnostics
) -> None:
    if facts.reads_any_input:
        return
    node = graph.flow.nodes[name]
    read = facts.inputs_read | _state_key_fields(node)
    for index, port in enumerate(node.inputs):
        if port.name in read or port.json_schema is not None:  # a schema is checked, read or not
            continue
        links = graph.into(NodePort(name, port.name))
        if any(_steers(graph, link) for link in links):
            continue
        if name == graph.flow.on_error and is_error_input(graph, name, port.name):
            continue
        report.warning(
            "W304", document.span(("nodes", name, "inputs", index, "name")),
            f"'{name}' does not read its input '{port.name}'",
            related=[(document.span(("edges", link.index, "to")), "fed here") for link in links],
            hint=f"write {{{{ {port.name} }}}} in the template, or take out the input"
            if node.prompt else "take out the input, or read it",
        )  # fmt: skip


def _state_key_fields(node: Node) -> set[str]:
    if node.state is None or node.state.key is None:
        return set()
    return {str(part[1]) for part in string.Formatter().parse(node.state.key) if part[1]}


def _steers(graph: Graph, link: Link) -> bool:
    """Whether a link may be there to decide if or when the node runs, and not for its value."""
    if link.edge.condition is not None:
        return True
    if not isinstance(link.source, NodePort):
        return False
    error = graph.flow.nodes[link.source.node].error
    is_error = error is not None and error.name == link.source.port
    return is_error or is_effectful(graph, link.source.node)


def _check_outputs(
    document: Document, graph: Graph, name: str, read: set[NodePort], report: Diagnostics
) -> None:
    node = graph.flow.nodes[name]
    if not any(NodePort(name, port.name) in read for port in node.outputs):
        return  # it runs for an effect or for its error port, and must have some output
    operation = operation_of(node)
    is_http = operation is not None and operation.name.startswith("http.")
    for index, port in enumerate(node.outputs):
        if NodePort(name, port.name) in read or port.json_schema is not None:
            continue
        if is_http and port.name == "status":
            continue  # where it is declared, an error's status is an answer
        report.warning(
            "W305", document.span(("nodes", name, "outputs", index, "name")),
            f"no edge reads the output '{name}.{port.name}'",
        )  # fmt: skip
