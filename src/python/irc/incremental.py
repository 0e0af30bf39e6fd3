"""Nodes compiled one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from irc.diagnostics import Diagnostics
from irc.emit.names import Names
from irc.emit.node import emit_node
from irc.emit.unit import Unit
from irc.ir.graph import Graph
from irc.passes.files import Files
from irc.passes.lower import lower
from irc.source import Document


@dataclass
class NodeCompiler:
    """Compiles the nodes of one flow.

    Attributes:
        names: the names of the module.
        methods: the name of each node's method.
    """

    document: Document
    graph: Graph
    files: Files
    report: Diagnostics
    names: Names
    methods: dict[str, str]

    def compile(self, names: Iterable[str]) -> dict[str, Unit]:
        """Compile nodes, in order."""
        return {name: self._compile(name) for name in names}

    def _compile(self, name: str) -> Unit:
        first_name = len(self.names.journal)
        lowered = lower(self.document, self.graph, self.files, self.report, name, self.names)
        return emit_node(
            self.document,
            name,
            self.graph.flow.nodes[name],
            lowered,
            self.names,
            self.methods[name],
            has_error_route=self.graph.has_error_route(name),
            first_name=first_name,
        )
