"""The plan: which nodes follow each other in one coroutine, and which run beside it.

A strand is a chain of nodes that have only each other to wait for. One path of strands ends at
the output and is written inline, with no task at all; every other strand becomes a task that is
started as soon as what it waits for on the path is there. So a node starts when its inputs are
there, and a straight chain costs no task.

A strand is speculative where nothing may come to read it: each of its readers first looks at an input
that may be absent, and is skipped if it is. It never stands on the path, as its work may be dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from irc.ir.graph import Graph, Link, NodePort, Output, RequestField
from irc.passes.analyse import Analysis
from irc.passes.liveness import is_effectful

END = ""
"""Stands for the output among the nodes; no node has this id."""


@dataclass(frozen=True)
class Strand:
    """Nodes that run one after the other.

    Attributes:
        waits_for: the nodes that its first node reads.
    """

    nodes: tuple[str, ...]
    waits_for: tuple[str, ...]

    @property
    def tail(self) -> str:
        return self.nodes[-1]


@dataclass(frozen=True)
class Plan:
    """The order of a flow.

    Attributes:
        steps: what ``run`` does in order: a node to await, or a strand to start beside it.
        beside: the strands that run as tasks, by their tail.
        speculative: the tails of those of them whose results may not be needed.
        droppable: by node, the speculative strands that nobody reads when it is skipped.
    """

    steps: tuple[str | Strand, ...]
    beside: dict[str, Strand]
    speculative: frozenset[str]
    droppable: dict[str, tuple[str, ...]]


def plan(graph: Graph, analysis: Analysis) -> Plan:
    """Divide the live nodes into strands and choose the path that runs inline."""
    before, after = _neighbours(graph, analysis.order)
    surely = {node: _surely_read(graph, analysis, node, reads) for node, reads in before.items()}
    strands = _strands([*analysis.order, END], before, after, surely)
    by_tail = {strand.tail: strand for strand in strands}
    speculative = _speculative(graph, strands, after, surely)
    path = _path(strands, by_tail, speculative)
    inline = {node for strand in path for node in strand.nodes}
    place = {node: index for index, node in enumerate(node for s in path for node in s.nodes)}
    starts: dict[int, list[Strand]] = {}
    started: dict[str, int] = {}
    for strand in strands:
        if strand.tail in inline:
            continue
        at = max((place.get(node, started.get(node, -1)) for node in strand.waits_for), default=-1)
        started[strand.tail] = at
        starts.setdefault(at, []).append(strand)
    steps: list[str | Strand] = [*starts.get(-1, [])]
    for node, at in place.items():
        if node != END:
            steps.append(node)
            steps.extend(starts.get(at, []))
    beside = {strand.tail: strand for group in starts.values() for strand in group}
    return Plan(tuple(steps), beside, speculative, _droppable(speculative, after, surely))


def decisive_ports(graph: Graph, analysis: Analysis, node: str) -> list[str]:
    """The required inputs of a node that may be absent, in the order in which they are looked at.

    Those that are there from the start, as they come from the request, are the first.
    """
    found: list[tuple[bool, str]] = []
    for port in graph.flow.nodes[node].inputs:
        if port.optional or port.default is not None:
            continue
        links = _alive(graph, analysis, node, port.name)
        if links and analysis.guards.of_any(links, port.name):
            found.append((bool(_sources(links)), port.name))
    return [port for _, port in sorted(found, key=lambda item: item[0])]


def _alive(graph: Graph, analysis: Analysis, node: str, port: str) -> list[Link]:
    """The links to an input whose source runs."""
    return [
        link for link in graph.into(NodePort(node, port))
        if isinstance(link.source, RequestField) or link.source.node in analysis.guards.nodes
    ]  # fmt: skip


def _sources(links: list[Link]) -> set[str]:
    return {link.source.node for link in links if isinstance(link.source, NodePort)}


def _surely_read(graph: Graph, analysis: Analysis, node: str, reads: list[str]) -> set[str]:
    """Of the nodes that a node, or the output, reads, those whose results it looks at in any case."""
    decisive = [] if node == END else decisive_ports(graph, analysis, node)
    if decisive:
        return _sources(_alive(graph, analysis, node, decisive[0]))
    return set(reads)


def _speculative(
    graph: Graph, strands: list[Strand], after: dict[str, list[str]], surely: dict[str, set[str]]
) -> frozenset[str]:
    """The tails of the strands whose results may not be needed."""
    strand_of = {node: strand for strand in strands for node in strand.nodes}
    found: set[str] = set()
    for strand in reversed(strands):
        if END in strand.nodes or any(is_effectful(graph, node) for node in strand.nodes):
            continue
        readers = after[strand.tail]
        if readers and all(
            strand_of[reader].tail in found or strand.tail not in surely[reader]
            for reader in readers
        ):
            found.add(strand.tail)
    return frozenset(found)


def _droppable(
    speculative: frozenset[str], after: dict[str, list[str]], surely: dict[str, set[str]]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for tail, readers in after.items():
        if tail in speculative and len(readers) == 1 and tail not in surely[readers[0]]:
            found.setdefault(readers[0], []).append(tail)
    return {reader: tuple(tails) for reader, tails in found.items()}


def _neighbours(
    graph: Graph, order: list[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Who each node waits for and who waits for it, ``END`` included."""
    live = set(order)
    before: dict[str, list[str]] = {
        name: [other for other in graph.predecessors(name) if other in live] for name in order
    }
    sources = (link.source for link in graph.links if isinstance(link.target, Output))
    before[END] = list(
        dict.fromkeys(s.node for s in sources if isinstance(s, NodePort) and s.node in live)
    )
    after: dict[str, list[str]] = {name: [] for name in before}
    for name, others in before.items():
        for other in others:
            after[other].append(name)
    return before, after


def _strands(
    order: list[str],
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    surely: dict[str, set[str]],
) -> list[Strand]:
    """The longest chains in which each node has the next one alone to serve, in order."""
    strands: list[Strand] = []
    seen: set[str] = set()
    for head in order:
        if head in seen:
            continue
        chain = [head]
        while (
            len(after[chain[-1]]) == 1
            and before[following := after[chain[-1]][0]] == [chain[-1]]
            and chain[-1] in surely[following]
        ):
            chain.append(following)
        seen.update(chain)
        strands.append(Strand(tuple(chain), tuple(before[head])))
    return strands


def _path(
    strands: list[Strand], by_tail: dict[str, Strand], speculative: frozenset[str]
) -> list[Strand]:
    """The longest path of strands to the output, ties to the one that comes first in the file."""
    length: dict[str, int] = {}
    waits_for = {
        strand.tail: [node for node in strand.waits_for if node not in speculative]
        for strand in strands
    }
    for strand in strands:
        longest = max((length[node] for node in waits_for[strand.tail]), default=0)
        length[strand.tail] = longest + len(strand.nodes)
    path = [by_tail[END]]
    while waits_for[path[0].tail]:
        path.insert(0, by_tail[max(waits_for[path[0].tail], key=length.__getitem__)])
    return path
