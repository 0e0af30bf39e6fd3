"""The resolved graph: edges with their ends looked up."""

from __future__ import annotations

from dataclasses import dataclass, field

from irc.ir.model import Edge, Flow, Node, Port


@dataclass(frozen=True, slots=True)
class RequestField:
    """``_input.<field>``, or a part of it."""

    name: str


@dataclass(frozen=True, slots=True)
class NodePort:
    """A port of a node; for a source it may be the error port."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


@dataclass(frozen=True, slots=True)
class Output:
    """``_output`` (``name`` is None) or ``_output.<name>``."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """An edge whose ends are known.

    Attributes:
        index: its place in the flow's ``edges``.
        cast: how the value changes on the way: ``to_string``, ``single_row`` or None.
    """

    index: int
    source: RequestField | NodePort
    target: NodePort | Output
    edge: Edge
    cast: str | None = None


@dataclass
class Graph:
    """A flow with its links, by target and by source."""

    flow: Flow
    links: list[Link] = field(default_factory=list)

    def into(self, target: NodePort | Output) -> list[Link]:
        """The links that lead to an input or an output, in file order."""
        return self._by_target.get(target, [])

    def into_node(self, node: str) -> list[Link]:
        return [
            link
            for port in self.flow.nodes[node].inputs
            for link in self.into(NodePort(node, port.name))
        ]

    def outputs(self) -> list[Output]:
        """The outputs that links lead to, in file order."""
        return [target for target in self._by_target if isinstance(target, Output)]

    def predecessors(self, node: str) -> list[str]:
        """The nodes that feed a node, each once, in file order."""
        return self._predecessors[node]

    def successors(self, node: str) -> list[str]:
        return self._successors.get(node, [])

    def has_error_route(self, node: str) -> bool:
        """Whether the node's error port is connected."""
        port = self.flow.nodes[node].error
        return port is not None and NodePort(node, port.name) in self._sources

    def index(self) -> None:
        """Build the look-ups; called once when all links are there."""
        self._by_target: dict[NodePort | Output, list[Link]] = {}
        self._sources: set[NodePort] = set()
        followers: dict[str, dict[str, None]] = {}
        for link in self.links:
            self._by_target.setdefault(link.target, []).append(link)
            if isinstance(link.source, NodePort):
                self._sources.add(link.source)
                if isinstance(link.target, NodePort):
                    followers.setdefault(link.source.node, {})[link.target.node] = None
        self._successors = {node: list(names) for node, names in followers.items()}
        self._predecessors = {node: self._feeding(node) for node in self.flow.nodes}

    def _feeding(self, node: str) -> list[str]:
        sources = (link.source for link in self.into_node(node))
        return list(dict.fromkeys(s.node for s in sources if isinstance(s, NodePort)))


def output_port(node: Node, name: str) -> Port | None:
    """An output or the error port of a node by its name."""
    for port in node.outputs:
        if port.name == name:
            return port
    return node.error if node.error is not None and node.error.name == name else None


def input_port(node: Node, name: str) -> Port | None:
    return next((port for port in node.inputs if port.name == name), None)
