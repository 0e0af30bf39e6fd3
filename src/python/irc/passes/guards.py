"""When what is delivered: the conditions under which nodes run and links deliver."""

from __future__ import annotations

from collections.abc import Sequence

from irc.ir.graph import Graph, Link, NodePort, RequestField

Conditions = int
"""A set of conditions that must all hold, a bit each: an edge's condition, a node's failure."""


class Guards:
    """The conditions under which each node runs.

    Sets of conditions grow along a chain; as integers, they are united and compared at a bit each.

    Attributes:
        nodes: the conditions of each node that runs; 0 where it always does.
    """

    def __init__(self, graph: Graph, nodes: dict[str, Conditions] | None = None) -> None:
        self.graph = graph
        self.nodes = {} if nodes is None else nodes
        self._places: dict[str, int] = {}
        self._successes: dict[Conditions, Conditions] = {}

    @classmethod
    def of_nodes(cls, graph: Graph, order: Sequence[str]) -> Guards:
        """The guards of nodes in their order: the union of those of their required inputs."""
        guards = cls(graph)
        for name in order:
            own = 0
            for port in graph.flow.nodes[name].inputs:
                links = graph.into(NodePort(name, port.name))
                if links and not port.optional and port.default is None:
                    own |= guards.of_any(links, port.name)
            guards.nodes[name] = own
        return guards

    def of_link(self, link: Link) -> Conditions:
        """The conditions under which a link delivers."""
        own = 0
        if link.edge.condition is not None:
            own |= self._bit(f"{link.source}?{link.edge.condition}")
        source = link.source
        if isinstance(source, RequestField):
            if source.name not in self.graph.flow.context.requires:
                own |= self._bit(f"{source.name} present")
            return own
        node = self.graph.flow.nodes[source.node]
        own |= self.nodes.get(source.node, 0)
        if self.graph.has_error_route(source.node):
            failure, success = (self._bit(f"{source.node} {x}") for x in ("failed", "succeeded"))
            self._successes[failure] = success
            own |= failure if node.error and source.port == node.error.name else success
        if any(
            port.name == source.port and port.optional and port.default is None
            for port in node.outputs
        ):
            own |= self._bit(f"{source} present")
        return own

    def of_any(self, links: Sequence[Link], target: str = "") -> Conditions:
        """The conditions under which one of several links to a target delivers."""
        alternatives = [self.of_link(link) for link in links]
        common = alternatives[0]
        for other in alternatives[1:]:
            common &= other
        rest = [conditions & ~common for conditions in alternatives]
        if 0 in rest:
            return common
        if any(self._successes.get(conditions) in rest for conditions in rest):
            return common  # a node's value, or what its error route makes
        return common | self._bit(f"one branch to {target}")

    def _bit(self, condition: str) -> Conditions:
        return 1 << self._places.setdefault(condition, len(self._places))
