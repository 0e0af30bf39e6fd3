"""The graph pass: cycles, inputs that nothing feeds, double delivery, liveness and order."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from irc.diagnostics import Diagnostics, Span
from irc.ir.graph import Graph, Link, NodePort, Output, RequestField
from irc.ops.registry import operation_of
from irc.source import Document

if TYPE_CHECKING:
    import networkx

Guards = frozenset[str]
"""Conditions that must all hold for a delivery: an edge's condition, a node's success or failure."""


@dataclass
class Analysis:
    """What is known of a graph before it runs.

    Attributes:
        order: live nodes, producers first, ties in file order.
        guards: under which conditions each live node runs.
        handler: nodes of the global error handler's route, in order; empty without one.
    """

    order: list[str] = field(default_factory=list)
    guards: dict[str, Guards] = field(default_factory=dict)
    handler: list[str] = field(default_factory=list)


def analyse(document: Document, graph: Graph, report: Diagnostics) -> Analysis | None:
    """Order the graph and say which nodes run when.

    Reports:
        E302 once per cycle, E304 unfed inputs, E305 double deliveries, E310 a handler that cannot
        run, E311 a flow without an output, W301 dead nodes, W302 unread context fields.
    """
    order = _order(document, graph, report)
    _check_fed(document, graph, report)
    outputs = graph.outputs()
    if not outputs:
        report.error(
            "E311", document.key_span(("edges",)), "no edge leads to '_output'",
            hint="add an edge from the node with the answer to '_output'",
        )  # fmt: skip
    elif Output(None) in outputs and len(outputs) > 1:
        link = graph.into(next(item for item in outputs if item.name))[0]
        first = graph.into(Output(None))[0]
        report.error(
            "E305", document.span(("edges", link.index, "to")),
            "the flow delivers to '_output' as a whole and to a named output",
            related=[(document.span(("edges", first.index, "to")), "the whole output here")],
        )  # fmt: skip
    if order is None or report.has_errors:
        return None
    analysis = Analysis()
    live = _live(graph)
    analysis.order = [name for name in order if name in live]
    _warn_unused(document, graph, live, report)
    analysis.guards = _guards(graph, analysis.order)
    analysis.handler = _handler(document, graph, order, report)
    _check_double(document, graph, analysis, report)
    return None if report.has_errors else analysis


def _order(document: Document, graph: Graph, report: Diagnostics) -> list[str] | None:
    """Kahn's order with ties in file order."""
    place = {name: index for index, name in enumerate(graph.flow.nodes)}
    sorter = graphlib.TopologicalSorter({name: graph.predecessors(name) for name in place})
    try:
        sorter.prepare()
    except graphlib.CycleError:
        _report_cycles(document, graph, report)
        return None
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order += ready
        sorter.done(*ready)
    return order


def _report_cycles(document: Document, graph: Graph, report: Diagnostics) -> None:
    import networkx  # half of the compiler's start; only needed here

    digraph: networkx.DiGraph[str] = networkx.DiGraph()
    for link in graph.links:
        if isinstance(link.source, NodePort) and isinstance(link.target, NodePort):
            digraph.add_edge(link.source.node, link.target.node)
    place = {name: index for index, name in enumerate(graph.flow.nodes)}
    for component in networkx.strongly_connected_components(digraph):
        first = min(component, key=place.__getitem__)
        if len(component) == 1 and not digraph.has_edge(first, first):
            continue
        cycle = _through(digraph.subgraph(component), first)
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        spans = [_edge_span(document, graph, source, target) for source, target in steps]
        report.error(
            "E302", spans[0], "the nodes wait for each other: " + " -> ".join([*cycle, cycle[0]]),
            related=[(span, f"{a} -> {b}") for span, (a, b) in zip(spans[1:], steps[1:], strict=True)],
            hint="take out one of these edges",
        )  # fmt: skip


def _through(digraph: networkx.Graph[str], first: str) -> list[str]:
    """A shortest cycle through a node of a strongly connected component."""
    import networkx

    if digraph.has_edge(first, first):
        return [first]
    paths = (networkx.shortest_path(digraph, after, first) for after in sorted(digraph[first]))
    best = min(paths, key=len)
    return [first, *best[:-1]]


def _edge_span(document: Document, graph: Graph, source: str, target: str) -> Span:
    for link in graph.links:
        if isinstance(link.source, NodePort) and isinstance(link.target, NodePort):
            ends = link.source.node, link.target.node
            if ends == (source, target):
                return document.span(("edges", link.index, "from"))
    raise AssertionError((source, target))


def _check_fed(document: Document, graph: Graph, report: Diagnostics) -> None:
    handler = graph.flow.on_error
    for name, node in graph.flow.nodes.items():
        for index, port in enumerate(node.inputs):
            if port.optional or port.default is not None or graph.into(NodePort(name, port.name)):
                continue
            if name == handler and is_error_input(graph, name, port.name):
                continue
            report.error(
                "E304", document.span(("nodes", name, "inputs", index, "name")),
                f"no edge feeds the required input '{name}.{port.name}'",
                hint=f"add an edge to '{name}.{port.name}', or make the input optional",
            )  # fmt: skip


def is_error_input(graph: Graph, handler: str, port: str) -> bool:
    """Whether the global handler takes the error at this input: 'error', or its only input."""
    names = [item.name for item in graph.flow.nodes[handler].inputs]
    return port == "error" or (len(names) == 1 and names[0] == port)


# Liveness


def is_effectful(graph: Graph, name: str) -> bool:
    """Whether a node changes something outside the request."""
    node = graph.flow.nodes[name]
    if node.state is not None:
        return True
    operation = operation_of(node)
    return operation is not None and operation.effectful


def _live(graph: Graph) -> set[str]:
    """The nodes from which the output, the error handler or an effect is reached."""
    wanted = [name for name in graph.flow.nodes if is_effectful(graph, name)]
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


def _runs_in_flow(graph: Graph, handler: str) -> bool:
    """Whether edges feed all that the handler requires, so that it is an ordinary node too."""
    node = graph.flow.nodes[handler]
    return all(
        graph.into(NodePort(handler, port.name)) for port in node.inputs if not port.optional
    ) and bool(graph.into_node(handler))


def _only_after(graph: Graph, handler: str) -> set[str]:
    """The handler and what only it can start."""
    found = {handler}
    grown = True
    while grown:
        following = {
            name for name in graph.flow.nodes
            if name not in found and any(p in found for p in graph.predecessors(name))
            and _starved(graph, name, found)
        }  # fmt: skip
        grown = bool(following)
        found |= following
    return found


def _starved(graph: Graph, name: str, without: set[str]) -> bool:
    """Whether a node lacks a required input when some nodes do not run."""
    for port in graph.flow.nodes[name].inputs:
        links = graph.into(NodePort(name, port.name))
        alive = [
            x for x in links if not (isinstance(x.source, NodePort) and x.source.node in without)
        ]
        if links and not alive and not port.optional:
            return True
    return False


def _handler(document: Document, graph: Graph, order: list[str], report: Diagnostics) -> list[str]:
    """The nodes that run after a failure: the handler and what it leads to."""
    first = graph.flow.on_error
    if first is None:
        return []
    after, wanted = set(), [first]
    while wanted:
        name = wanted.pop()
        if name not in after:
            after.add(name)
            wanted += graph.successors(name)
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
        isinstance(link.target, Output)
        and isinstance(link.source, NodePort)
        and link.source.node in reached
        for link in graph.links
    ):  # a handler that leads nowhere gives the response itself
        report.error(
            "E310", document.span(("on_error",)),
            f"nothing leads from the handler '{first}' to '_output'",
            related=[(document.key_span(("nodes", first)), "the handler")],
        )  # fmt: skip
    return [name for name in route if name in reached]


def _available(graph: Graph, node: str, port: str, handler: str, reached: set[str]) -> bool:
    declared = next(item for item in graph.flow.nodes[node].inputs if item.name == port)
    if declared.optional or declared.default is not None:
        return True
    if node == handler and is_error_input(graph, node, port):
        return True
    return any(
        isinstance(link.source, RequestField) or link.source.node in reached
        for link in graph.into(NodePort(node, port))
    )


# When what is delivered


def link_guards(graph: Graph, link: Link, guards: dict[str, Guards]) -> Guards:
    """The conditions under which a link delivers."""
    own: set[str] = set()
    if link.edge.condition is not None:
        own.add(f"{link.source}?{link.edge.condition}")
    source = link.source
    if isinstance(source, RequestField):
        if source.name not in graph.flow.context.requires:
            own.add(f"{source.name} present")
        return frozenset(own)
    node = graph.flow.nodes[source.node]
    own |= guards.get(source.node, frozenset())
    if graph.has_error_route(source.node):
        failed = node.error is not None and source.port == node.error.name
        own.add(f"{source.node} {'failed' if failed else 'succeeded'}")
    if any(port.name == source.port and port.optional for port in node.outputs):
        own.add(f"{source} present")
    return frozenset(own)


def _guards(graph: Graph, order: list[str]) -> dict[str, Guards]:
    guards: dict[str, Guards] = {}
    for name in order:
        own: set[str] = set()
        for port in graph.flow.nodes[name].inputs:
            links = graph.into(NodePort(name, port.name))
            if links and not port.optional and port.default is None:
                own |= merged_guards(
                    port.name, [link_guards(graph, link, guards) for link in links]
                )
        guards[name] = frozenset(own)
    return guards


def merged_guards(target: str, alternatives: list[Guards]) -> Guards:
    """The conditions under which one of several links delivers."""
    common = frozenset.intersection(*alternatives)
    rest = [guards - common for guards in alternatives]
    if any(not guards for guards in rest):
        return common
    failed = {
        guard.removesuffix(" failed") for guards in rest if len(guards) == 1 for guard in guards
    }
    if any(frozenset({f"{node} succeeded"}) in rest for node in failed):
        return common  # a node's value, or what its error route makes
    return common | {f"one branch to {target}"}


def _check_double(
    document: Document, graph: Graph, analysis: Analysis, report: Diagnostics
) -> None:
    targets = dict.fromkeys(link.target for link in graph.links)
    alive = set(analysis.order)
    for target in targets:
        links = [
            link for link in graph.into(target)
            if isinstance(link.source, RequestField) or link.source.node in alive
        ]  # fmt: skip
        for later, second in enumerate(links):
            for first in links[:later]:
                one = link_guards(graph, first, analysis.guards)
                two = link_guards(graph, second, analysis.guards)
                if one <= two or two <= one:
                    name = str(target) if isinstance(target, NodePort) else _output_name(target)
                    report.error(
                        "E305", document.span(("edges", second.index, "to")),
                        f"two edges both deliver to '{name}'",
                        related=[(document.span(("edges", first.index, "to")), "the other one")],
                        hint="give them conditions that exclude each other, or take one out",
                    )  # fmt: skip


def _output_name(target: Output) -> str:
    return "_output" if target.name is None else f"_output.{target.name}"


def _warn_unused(document: Document, graph: Graph, live: set[str], report: Diagnostics) -> None:
    handler_route = set(graph.flow.nodes) if graph.flow.on_error else set()
    tools = {
        tool.maps_to
        for node in graph.flow.nodes.values()
        if node.prompt
        for tool in node.prompt.tools
    }
    for name in graph.flow.nodes:
        if name in live or name in tools or name in handler_route and _after_handler(graph, name):
            continue
        report.warning(
            "W301", document.key_span(("nodes", name)),
            f"'{name}' does not run: neither the output nor an effect needs it",
        )  # fmt: skip


def _after_handler(graph: Graph, name: str) -> bool:
    """Whether a node belongs to the global handler's route."""
    wanted, seen = [graph.flow.on_error], set()
    while wanted:
        item = wanted.pop()
        if item == name:
            return True
        if item is not None and item not in seen:
            seen.add(item)
            wanted += graph.successors(item)
    return False
