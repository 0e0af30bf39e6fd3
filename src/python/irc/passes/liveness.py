"""Which nodes run: those that the output, an effect or the error handler needs."""

from __future__ import annotations

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph, Link, NodePort, Output, RequestField
from irc.ir.model import Port
from irc.ops.registry import operation_of
from irc.source import Document


def is_effectful(graph: Graph, name: str) -> bool:
    """Whether a node changes something outside the request."""
    node = graph.flow.nodes[name]
    if node.state is not None:
        return True
    operation = operation_of(node)
    return operation is not None and operation.effectful


def only_tools(graph: Graph) -> frozenset[str]:
    """The nodes that run as tools of prompts and not otherwise.

    No edge leaves such a node, and it is not the error handler; where it is effectful, edges do not
    feed all that it requires, so that they could not start it.
    """
    leave = {link.source.node for link in graph.links if isinstance(link.source, NodePort)}
    tools = {
        tool.maps_to
        for node in graph.flow.nodes.values()
        if node.prompt is not None
        for tool in node.prompt.tools
    }
    return frozenset(
        name
        for name in tools - leave - {graph.flow.on_error}
        if not (is_effectful(graph, name) and _runs_in_flow(graph, name))
    )


def live_nodes(graph: Graph) -> set[str]:
    """The nodes from which the output, the error handler or an effect is reached."""
    tools = only_tools(graph)
    wanted = [name for name in graph.flow.nodes if name not in tools and is_effectful(graph, name)]
    wanted += [
        link.source.node
        for link in graph.links
        if isinstance(link.target, Output) and isinstance(link.source, NodePort)
    ]
    live: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in live:
            live.add(name)
            wanted += graph.predecessors(name)
    handler = graph.flow.on_error
    if handler is not None and not _runs_in_flow(graph, handler):
        live -= _only_after(graph, handler)
    return live


def _runs_in_flow(graph: Graph, name: str) -> bool:
    """Whether edges feed all that a handler or a tool requires, so that it is an ordinary node too."""
    node = graph.flow.nodes[name]
    return all(
        graph.into(NodePort(name, port.name)) for port in node.inputs if _is_required(port)
    ) and bool(graph.into_node(name))


def _is_required(port: Port) -> bool:
    return not port.optional and port.default is None


def _only_after(graph: Graph, handler: str) -> set[str]:
    """The handler and what only it can start."""
    found, wanted = {handler}, [handler]
    while wanted:
        for name in graph.successors(wanted.pop()):
            if name not in found and _starved(graph, name, found):
                found.add(name)
                wanted.append(name)
    return found


def _starved(graph: Graph, name: str, without: set[str]) -> bool:
    """Whether a node lacks a required input when some nodes do not run."""
    for port in graph.flow.nodes[name].inputs:
        links = graph.into(NodePort(name, port.name))
        alive = [
            x for x in links if not (isinstance(x.source, NodePort) and x.source.node in without)
        ]
        if links and not alive and _is_required(port):
            return True
    return False


def reached_from(graph: Graph, first: str) -> set[str]:
    """A node and all that edges lead to from it."""
    reached: set[str] = set()
    wanted = [first]
    while wanted:
        name = wanted.pop()
        if name not in reached:
            reached.add(name)
            wanted += graph.successors(name)
    return reached


def handler_route(
    document: Document, graph: Graph, order: list[str], report: Diagnostics
) -> list[str]:
    """The nodes that run after a failure: the handler and what it leads to.

    Reports:
        E310 a handler that cannot run, or that leads nowhere.
    """
    first = graph.flow.on_error
    if first is None:
        return []
    after = reached_from(graph, first)
    route = [name for name in order if name in after]
    reached: set[str] = set()
    for name in route:
        if all(
            _available(graph, name, port.name, first, reached)
            for port in graph.flow.nodes[name].inputs
        ):
            reached.add(name)
    if first not in reached:
        report.error(
            "E310", document.span(("on_error",)),
            f"the handler '{first}' requires inputs that are not there when the flow fails",
            related=[(document.key_span(("nodes", first)), "the handler")],
            hint="it may read the error (an input named 'error', or its only input) and '_input'",
        )  # fmt: skip
    elif graph.successors(first) and not any(
        _ends_in_output(link, reached) for link in graph.links
    ):
        # A handler that leads nowhere gives the response itself.
        report.error(
            "E310", document.span(("on_error",)),
            f"nothing leads from the handler '{first}' to '_output'",
            related=[(document.key_span(("nodes", first)), "the handler")],
        )  # fmt: skip
    return [name for name in route if name in reached]


def _ends_in_output(link: Link, nodes: set[str]) -> bool:
    return (
        isinstance(link.target, Output)
        and isinstance(link.source, NodePort)
        and link.source.node in nodes
    )


def _available(graph: Graph, node: str, port: str, handler: str, reached: set[str]) -> bool:
    declared = next(item for item in graph.flow.nodes[node].inputs if item.name == port)
    if not _is_required(declared):
        return True
    if node == handler and is_error_input(graph, node, port):
        return True
    return any(
        isinstance(link.source, RequestField) or link.source.node in reached
        for link in graph.into(NodePort(node, port))
    )


def is_error_input(graph: Graph, handler: str, port: str) -> bool:
    """Whether the global handler takes the error at this input: 'error', or its only input."""
    names = [item.name for item in graph.flow.nodes[handler].inputs]
    return port == "error" or (len(names) == 1 and names[0] == port)


def warn_of_dead_nodes(
    document: Document, graph: Graph, live: set[str], report: Diagnostics
) -> None:
    """Report W301 for nodes that never run."""
    running = set(live)
    if graph.flow.on_error is not None:
        running |= reached_from(graph, graph.flow.on_error)
    for node in graph.flow.nodes.values():
        if node.prompt is not None:
            running |= {tool.maps_to for tool in node.prompt.tools}
    for name in graph.flow.nodes:
        if name not in running:
            report.warning(
                "W301", document.key_span(("nodes", name)),
                f"'{name}' does not run: neither the output nor an effect needs it",
            )  # fmt: skip
