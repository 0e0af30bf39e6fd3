"""The graph pass: cycles, inputs that nothing feeds, double delivery, liveness and order."""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from irc.diagnostics import Diagnostics, Span
from irc.ir.graph import Graph, NodePort, Output, RequestField
from irc.passes.guards import Guards
from irc.passes.liveness import (
    handler_route,
    is_error_input,
    live_nodes,
    only_tools,
    warn_of_dead_nodes,
)
from irc.passes.tools import tools_of
from irc.source import Document

if TYPE_CHECKING:
    import networkx


@dataclass
class Analysis:
    """What is known of a graph before it runs.

    Attributes:
        order: live nodes, producers first, ties in file order.
        guards: under which conditions each live node runs.
        handler: nodes of the global error handler's route, in order; empty without one.
        tools: nodes behind the tools of all these, in file order.
    """

    order: list[str]
    guards: Guards
    handler: list[str]
    tools: list[str]

    @property
    def running(self) -> list[str]:
        """All nodes that run in some case: live ones, the handler's route, and then tools."""
        return list(dict.fromkeys([*self.order, *self.handler, *self.tools]))


def analyse(document: Document, graph: Graph, report: Diagnostics) -> Analysis | None:
    """Order the graph and say which nodes run when.

    Reports:
        E302 once per cycle, E304 unfed inputs, E305 double deliveries, E310 a handler that cannot
        run, E311 a flow without an output, W301 dead nodes, W302 unread context fields.
    """
    order = _order(document, graph, report)
    all_fed = _check_fed(document, graph, report)
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
    if order is None or not outputs:
        return None
    live = live_nodes(graph)
    warn_of_dead_nodes(document, graph, live, report)
    running = [name for name in order if name in live]
    guards = Guards.of_nodes(graph, running)
    handler = handler_route(document, graph, order, report) if all_fed else []
    tools = tools_of(graph, [*running, *handler])
    analysis = Analysis(running, guards, handler, tools)
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


def _check_fed(document: Document, graph: Graph, report: Diagnostics) -> bool:
    """Report E304 for inputs that nothing feeds; True where there are none."""
    all_fed = True
    handler = graph.flow.on_error
    tools = only_tools(graph)
    for name, node in graph.flow.nodes.items():
        if name in tools:
            continue  # what a tool requires is a matter of its own: check_tools
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
            all_fed = False
    return all_fed


def _check_double(
    document: Document, graph: Graph, analysis: Analysis, report: Diagnostics
) -> None:
    alive = set(analysis.order)
    for target in dict.fromkeys(link.target for link in graph.links):
        links = [
            (link, analysis.guards.of_link(link)) for link in graph.into(target)
            if isinstance(link.source, RequestField) or link.source.node in alive
        ]  # fmt: skip
        for later, (second, two) in enumerate(links):
            for first, one in links[:later]:
                if one & two in (one, two):  # one delivers whenever the other does
                    name = str(target) if isinstance(target, NodePort) else _output_name(target)
                    report.error(
                        "E305", document.span(("edges", second.index, "to")),
                        f"two edges both deliver to '{name}'",
                        related=[(document.span(("edges", first.index, "to")), "the other one")],
                        hint="give them conditions that exclude each other, or take one out",
                    )  # fmt: skip


def _output_name(target: Output) -> str:
    return "_output" if target.name is None else f"_output.{target.name}"
