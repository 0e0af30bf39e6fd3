"""What travels along edges, as code: reads of the request and of results, casts, conditions."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from irc.diagnostics import Diagnostics, Span
from irc.emit.code import Code, call, docstring, literal, quoted
from irc.emit.names import Names
from irc.emit.writer import Writer
from irc.expression_rewriting import BUILT_IN_FIELDS
from irc.expressions import Expression, compile_expression
from irc.ir.graph import Graph, Link, NodePort, Output, RequestField, output_port
from irc.ir.model import Port
from irc.passes.guards import Guards
from irc.source import Document, Path


@dataclass(frozen=True)
class EdgeCode:
    """The checked expressions of a link."""

    condition: Expression | None
    transform: Expression | None


def check_edges(document: Document, graph: Graph, report: Diagnostics) -> dict[int, EdgeCode]:
    """Check conditions and transforms of edges; by the edge's index.

    Reports:
        E402, E403 and E306 in expressions.
    """
    flow = graph.flow
    fields = {*flow.context.requires, *flow.context.optional, *BUILT_IN_FIELDS}
    found: dict[int, EdgeCode] = {}
    for link in graph.links:
        if link.edge.condition is None and link.edge.transform is None:
            continue
        port = link.source.name if isinstance(link.source, RequestField) else link.source.port
        checked = _Checked(document, report, fields, port, ("edges", link.index))
        found[link.index] = EdgeCode(
            checked.expression("condition", link.edge.condition),
            checked.expression("transform", link.edge.transform),
        )
    return found


@dataclass(frozen=True)
class _Checked:
    """The expressions of one edge, which read the value as ``value`` or under its port's name."""

    document: Document
    report: Diagnostics
    fields: Collection[str]
    port: str
    at: Path

    def expression(self, key: str, text: str | bool | None) -> Expression | None:
        if text is None:
            return None
        return compile_expression(
            text if isinstance(text, str) else repr(text),
            {"value": "value", self.port: "value", "context": "context"},
            self.fields,
            self.report,
            lambda start, end: self.document.text_span((*self.at, key), start, end),
        )


@dataclass
class Edges:
    """The code of links in one generated module.

    Args:
        variables: the variable that holds each node's outputs.
        codes: the checked expressions of links.
    """

    document: Document
    graph: Graph
    guards: Guards
    variables: dict[str, str]
    codes: dict[int, EdgeCode]
    names: Names
    imports: set[tuple[str, str]]
    functions: dict[int, str] = field(default_factory=dict)

    def span(self, link: Link) -> Span:
        return self.document.span(("edges", link.index))

    def where(self, link: Link) -> str:
        """The edge's place and text, for messages."""
        condition = link.edge.condition
        name = self.document.source.name
        return f"{name}:{self.span(link).line}: {condition}"

    def uses(self, name: str) -> str:
        self.imports.add(("irc_runtime.delivery", name))
        return name

    def is_certain(self, link: Link) -> bool:
        """Whether the link delivers whenever what it reads from has run."""
        return link.edge.condition is None and self.source_is_certain(link)

    def source_is_certain(self, link: Link) -> bool:
        source = link.source
        if isinstance(source, RequestField):
            return source.name in self.graph.flow.context.requires
        if self.guards.nodes.get(source.node) != 0 or self.graph.has_error_route(source.node):
            return False
        port = output_port(self.graph.flow.nodes[source.node], source.port)
        assert port is not None
        return not port.optional or port.default is not None

    def read(self, link: Link) -> str:
        """The value at the link's source, or ABSENT."""
        source = link.source
        holder = "request" if isinstance(source, RequestField) else self.variables[source.node]
        key = source.name if isinstance(source, RequestField) else source.port
        if self.source_is_certain(link):
            return f"{holder}[{quoted(key)}]"
        return f"{holder}.get({quoted(key)}, {self.uses('ABSENT')})"

    def value(self, link: Link) -> Code:
        """What the link delivers, or ABSENT."""
        read = self.read(link)
        if link.index in self.codes or link.cast == "single_row":
            return call(self._function(link), read, "ctx")
        return call(self.uses(link.cast), read) if link.cast else read

    def merged(self, links: list[Link], default: Port | None = None) -> tuple[Code, bool]:
        """What several links to one target deliver, and whether that is certain."""
        values = [self.value(link) for link in links]
        certain = any(self.is_certain(link) for link in links) or not self.guards.of_any(links)
        if default is not None and default.default is not None and not certain:
            values.append(literal(default.default))
            certain = True
        if len(values) == 1:
            return values[0], certain
        return call(self.uses("first_delivered"), *values), certain

    def _function(self, link: Link) -> str:
        if link.index not in self.functions:
            source = link.source.name if isinstance(link.source, RequestField) else str(link.source)
            target = (
                str(link.target) if isinstance(link.target, NodePort) else _output_name(link.target)
            )
            wanted = re.sub(r"\W", "_", f"{source}_to_{target}", flags=re.ASCII).replace("__", "_")
            self.functions[link.index] = self.names.take(wanted, "edge")
        return self.functions[link.index]

    def write_functions(self, writer: Writer) -> None:
        """Write the functions of links with a condition, a transform or a checked cast."""
        by_index = {link.index: link for link in self.graph.links}
        for index in sorted(self.functions):
            writer.blank(2)
            with writer.origin(None, self.span(by_index[index])):
                self._write_function(writer, by_index[index])

    def _write_function(self, writer: Writer, link: Link) -> None:
        code = self.codes.get(link.index, EdgeCode(None, None))
        self.imports.add(("irc_runtime.edge", "edge"))
        self.imports.add(("irc_runtime.context", "Context"))
        self.imports.add(("typing", "Any"))
        writer.line(f"@edge({quoted(f'{self.document.source.name}:{self.span(link).line}')})")
        writer.line(f"def {self.functions[link.index]}(value: Any, ctx: Context) -> Any:")
        with writer.indented():
            target = link.target if isinstance(link.target, NodePort) else _output_name(link.target)
            writer.line(docstring(f"From {link.edge.source} to {target}."))
            if not self.source_is_certain(link):
                writer.line(f"if value is {self.uses('ABSENT')}:")
                with writer.indented():
                    writer.line("return ABSENT")
            if code.condition is not None:
                writer.line(f"if {code.condition.negated}:")
                with writer.indented():
                    writer.line(f"return {self.uses('ABSENT')}")
            if code.transform is not None:
                writer.line("return ", code.transform.code)
            elif link.cast is not None:
                writer.line(f"return {self.uses(link.cast)}(value)")
            else:
                writer.line("return value")


def _output_name(target: Output) -> str:
    return "_output" if target.name is None else f"_output.{target.name}"
