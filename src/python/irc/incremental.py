"""Nodes compiled one by one, each only where nothing has kept what came of it.

A node's result is kept under the digest of what it depends on: its own text, the flow's context, what
edges say of it, and the compiler. The files that it refers to are known only when it is compiled, and
so their digests stand in the result, as do the names that it took. A result does not say where the
node stands: what is written above a node does not touch it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from irc.cache import Cache, Result, digest
from irc.diagnostics import Diagnostics
from irc.emit.names import Names
from irc.emit.node import emit_node
from irc.emit.node_tests import NodeTests, node_tests
from irc.emit.unit import Unit
from irc.fingerprint import fingerprint
from irc.ir.graph import Graph, NodePort
from irc.passes.files import Files
from irc.passes.lower import lower
from irc.passes.tools import request_field
from irc.source import Document


@dataclass(frozen=True)
class Outcome:
    """Where a node's result came from: the cache, where there is no reason to compile it."""

    node: str
    reason: str | None


@dataclass
class NodeCompiler:
    """Compiles the nodes of one flow.

    Attributes:
        names: the names of the module.
        methods: the name of each node's method.
        cache: where results are kept; None keeps none.
        with_tests: whether their tests are made, too.
        outcomes: what was compiled, and why.
    """

    document: Document
    graph: Graph
    files: Files
    report: Diagnostics
    names: Names
    methods: dict[str, str]
    cache: Cache | None = None
    with_tests: bool = True
    outcomes: list[Outcome] = field(default_factory=list)

    def compile(self, nodes: Iterable[str]) -> dict[str, Unit]:
        """Compile nodes, in order."""
        if self.cache is None:
            return {node: self._compile(node, "nothing is kept") for node in nodes}
        common = self._common_parts()
        parts = {node: {**common, **self._parts(node)} for node in nodes}
        keys = {node: bytes.fromhex(digest(parts[node])) for node in parts}
        kept = self.cache.load(list(keys.values()))
        units: dict[str, Unit] = {}
        new: list[Result] = []
        for node, key in keys.items():
            value = kept.get(key)
            reason = self._reason(node, parts[node]) if value is None else None
            if value is not None:
                unit, reason = self._restore(value)
                if unit is not None:
                    units[node] = unit
                    self.outcomes.append(Outcome(node, None))
                    continue
            before, self.files.used = self.files.used, set()
            units[node] = self._compile(node, reason or "")
            if not self.files.report:  # what there is to tell is told each time
                text = self._to_text(units[node])
                new.append(Result(key, self.document.source.name, node, parts[node], text))
            self.files.used |= before
        self.cache.store(new)
        return units

    def _compile(self, name: str, reason: str) -> Unit:
        self.outcomes.append(Outcome(name, reason))
        found = Diagnostics()
        self.files.report = found
        first_name = len(self.names.journal)
        lowered = lower(self.document, self.graph, self.files, found, name, self.names)
        node, has_error_route = self.graph.flow.nodes[name], self.graph.has_error_route(name)
        tests = NodeTests()
        if self.with_tests and not found.has_errors:
            context = self.graph.flow.context
            tests = node_tests(name, node, lowered, context, has_error_route=has_error_route)
        unit = emit_node(
            self.document,
            name,
            node,
            lowered,
            self.names,
            self.methods[name],
            tests,
            has_error_route=has_error_route,
            first_name=first_name,
        )
        self.report.extend(found)
        return unit

    # What a result depends on

    def _common_parts(self) -> dict[str, str]:
        context = self.graph.flow.context
        return {
            "the compiler": fingerprint(),
            "the flow's place": digest([self.document.source.name, self.files.source_root]),
            "the flow's context": digest([context.requires, context.optional]),
            "what is asked for": "with tests" if self.with_tests else "",
        }

    def _parts(self, node: str) -> dict[str, str]:
        said = [node, self.methods[node], *self._text(node)]
        if self.document.has_aliases:
            said.append(json.dumps(self.document.data["nodes"][node]))
        prompt = self.graph.flow.nodes[node].prompt
        tools = [self._tool(tool.maps_to) for tool in prompt.tools] if prompt else []
        return {
            "its text": _digest_of("\0".join(said)),
            "its tools": digest(tools) if tools else "",
            "its error port": "connected" if self.graph.has_error_route(node) else "",
        }

    def _tool(self, node: str) -> list[object]:
        """What a prompt sees of a node behind one of its tools."""
        return [
            [port.model_dump_json(), request_field(self.graph, NodePort(node, port.name))]
            for port in self.graph.flow.nodes[node].inputs
        ]

    def _text(self, node: str) -> list[str]:
        """The columns at both ends of a node, and its lines, from its key to its last value."""
        path = ("nodes", node)
        first, last = self.document.key_span(path), self.document.span(path)
        end = last.end_line if last.end_column > 1 else last.end_line - 1
        text = self.document.source.text_of(first.line, end)
        return [f"{first.column} {last.end_column}", text]

    def _reason(self, node: str, parts: dict[str, str]) -> str:
        assert self.cache is not None
        previous = self.cache.previous(self.document.source.name, node)
        if previous is None:
            return "nothing is kept"
        changed = [name for name, part in parts.items() if previous.get(name) != part]
        return f"{' and '.join(changed)} changed" if changed else "its result was dropped"

    # Results as text

    def _to_text(self, unit: Unit) -> str:
        files = {name: self._state_of(name) for name in sorted(self.files.used)}
        return json.dumps([files, unit.to_json()], ensure_ascii=False, separators=(",", ":"))

    def _restore(self, text: str) -> tuple[Unit | None, str | None]:
        """The unit of a kept result, or why it does not hold any more."""
        try:
            files, row = json.loads(text)
            for name, kept in files.items():
                self.files.peek(name)
                if kept != self._state_of(name):
                    return None, f"{name} changed"
            unit = Unit.from_json(row)
        except (KeyError, TypeError, ValueError):
            return None, "what was kept cannot be read"
        if not self.names.replay(unit.names):
            return None, "another node has taken one of its names"
        self.files.used.update(files)
        return unit, None

    def _state_of(self, file: str) -> str:
        """The digest of a file that was looked at, or that it is not there or cannot be read."""
        source = self.files.loaded[file]
        if source is None:
            return "missing" if file in self.files.missing else "unreadable"
        return _digest_of(source.text)


def _digest_of(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
