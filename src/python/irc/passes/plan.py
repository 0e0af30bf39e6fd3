"""The plan: which nodes follow each other in one coroutine, and which run beside it.

A strand is a chain of nodes that have only each other to wait for. One path of strands ends at
the output and is written inline, with no task at all; every other strand becomes a task that is
started as soon as what it waits for on the path is there. So a node starts when its inputs are
there, and a straight chain costs no task.
"""

from __future__ import annotations

from dataclasses import dataclass

from irc.ir.graph import Graph, NodePort, Output
from irc.passes.analyse import Analysis

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
    """

    steps: tuple[str | Strand, ...]
    beside: dict[str, Strand]


def plan(graph: Graph, analysis: Analysis) -> Plan:
    """Divide the live nodes into strands and choose the path that runs inline."""
    before, after = _neighbours(graph, analysis.order)
    strands = _strands([*analysis.order, END], before, after)
    by_tail = {strand.tail: strand for strand in strands}
    path = _path(strands, by_tail)
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
    return Plan(tuple(steps), beside)


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
    order: list[str], before: dict[str, list[str]], after: dict[str, list[str]]
) -> list[Strand]:
    """The longest chains in which each node has the next one alone to serve, in order."""
    strands: list[Strand] = []
    seen: set[str] = set()
    for head in order:
        if head in seen:
            continue
        chain = [head]
        while len(after[chain[-1]]) == 1 and before[after[chain[-1]][0]] == [chain[-1]]:
            chain.append(after[chain[-1]][0])
        seen.update(chain)
        strands.append(Strand(tuple(chain), tuple(before[head])))
    return strands


def _path(strands: list[Strand], by_tail: dict[str, Strand]) -> list[Strand]:
    """The longest path of strands to the output, ties to the one that comes first in the file."""
    length: dict[str, int] = {}
    for strand in strands:
        longest = max((length[node] for node in strand.waits_for), default=0)
        length[strand.tail] = longest + len(strand.nodes)
    path = [next(strand for strand in strands if strand.tail == END)]
    while path[0].waits_for:
        path.insert(0, by_tail[max(path[0].waits_for, key=length.__getitem__)])
    return path
