"""The resolve pass: every name looked up, every edge connected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from irc.diagnostics import Diagnostics, did_you_mean
from irc.ir.graph import (
    Graph,
    Link,
    NodePort,
    Output,
    RequestField,
    input_port,
    output_port,
)
from irc.ir.model import Flow, Node, Port
from irc.source import Document, Path

NODE_ID = re.compile(r"[a-z][a-z0-9_]*\Z")
PORT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
FLOW_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]*\Z")


def resolve(document: Document, flow: Flow, report: Diagnostics) -> Graph | None:
    """Look up what the flow names.

    Reports:
        E303 malformed and doubled names, E301 and E309 ends of edges, E306 and E307 context fields,
        E310 the error handler, E409 nodes of tools, E312 test cases.
    """
    resolver = _Resolver(document, flow, report)
    resolver.check_names()
    resolver.check_nodes()
    for index in range(len(flow.edges)):
        resolver.link(index)
    resolver.check_context()
    resolver.check_handler()
    resolver.check_tools()
    resolver.check_tests()
    if report.has_errors:
        return None
    resolver.graph.index()
    return resolver.graph


_END_HINTS = {
    ("reads", "_output"): "edges lead to '_output': are 'from' and 'to' swapped?",
    ("feeds", "_input"): "edges lead from '_input': are 'from' and 'to' swapped?",
}


class _Resolver:
    def __init__(self, document: Document, flow: Flow, report: Diagnostics) -> None:
        self.document = document
        self.flow = flow
        self.report = report
        self.graph = Graph(flow)
        self.declared = {*flow.context.requires, *flow.context.optional}

    def check_names(self) -> None:
        if not FLOW_NAME.match(self.flow.metadata.name):
            self.report.error(
                "E303", self.document.span(("metadata", "name")),
                f"the flow's name '{self.flow.metadata.name}' must start with a letter and hold"
                " letters, digits, spaces, '.', '_' and '-' only",
            )  # fmt: skip
        context = self.flow.context
        places = [
            *((name, ("context", "requires", i)) for i, name in enumerate(context.requires)),
            *((name, ("context", "optional", i)) for i, name in enumerate(context.optional)),
        ]
        self._unique(places, PORT_NAME, "context field")

    def check_nodes(self) -> None:
        for name, node in self.flow.nodes.items():
            path: Path = ("nodes", name)
            if not NODE_ID.match(name):
                self.report.error(
                    "E303", self.document.key_span(path),
                    f"the node id '{name}' must match [a-z][a-z0-9_]*",
                )  # fmt: skip
            if node.id is not None and node.id != name:
                self.report.error(
                    "E303", self.document.span((*path, "id")),
                    f"the id '{node.id}' differs from the node's key '{name}'",
                )  # fmt: skip
            for side, ports in (("inputs", node.inputs), ("outputs", node.outputs)):
                names = [(port.name, (*path, side, i, "name")) for i, port in enumerate(ports)]
                self._unique(names, PORT_NAME, "port")
            if node.error is not None:
                self._check_error_port(node.error, (*path, "error"))
            if node.error and any(port.name == node.error.name for port in node.outputs):
                self.report.error(
                    "E303", self.document.span((*path, "error", "name")),
                    f"the error port '{node.error.name}' has the name of an output",
                )  # fmt: skip
            if node.transform is None and node.prompt is None:
                self.report.error(
                    "E202", self.document.key_span(path),
                    f"the node '{name}' needs a 'transform' or a 'prompt'",
                )  # fmt: skip

    def _check_error_port(self, port: Port, path: Path) -> None:
        if port.type in {"number", "boolean", "embedding"}:
            self.report.error(
                "E317", self.document.span((*path, "type")),
                f"an error port delivers no value of type {port.type}",
                hint="object: the failure; string: its reason; array or table: the failure as the only item",
            )  # fmt: skip
        if port.default is not None:
            self.report.error(
                "E317", self.document.key_span((*path, "default")),
                "an error port has no default: it delivers only where the node fails",
                hint="give the inputs that it feeds a default",
            )  # fmt: skip

    def _unique(
        self, places: Iterable[tuple[str, Path]], pattern: re.Pattern[str], what: str
    ) -> None:
        first: dict[str, Path] = {}
        for name, path in places:
            if not pattern.match(name):
                self.report.error(
                    "E303",
                    self.document.span(path),
                    f"the {what} '{name}' must match {pattern.pattern[:-2]}",
                )
            if name in first:
                self.report.error(
                    "E303", self.document.span(path), f"the {what} '{name}' is declared twice",
                    related=[(self.document.span(first[name]), "first here")],
                )  # fmt: skip
            first.setdefault(name, path)

    # Edges

    def link(self, index: int) -> None:
        edge = self.flow.edges[index]
        source = self._source(edge.source, ("edges", index, "from"))
        target = self._target(edge.target, ("edges", index, "to"))
        if source is not None and target is not None:
            self.graph.links.append(Link(index, source, target, edge))

    def _source(self, text: str, path: Path) -> RequestField | NodePort | None:
        head, dot, rest = text.partition(".")
        if head == "_input":
            if not dot or not rest:
                self.report.error(
                    "E309", self.document.span(path), "'_input' needs a field: '_input.<field>'"
                )
                return None
            if rest not in self.declared:
                self.report.error(
                    "E306", self.document.span(path), f"'{rest}' is not in the flow's context",
                    hint=did_you_mean(rest, self.declared)
                    or f"add '{rest}' to context.requires or context.optional",
                )  # fmt: skip
                return None
            return RequestField(rest)
        return self._node_port(
            head, rest if dot else None, path, "reads", "produces",
            lambda node: [*node.outputs, *([node.error] if node.error else [])],
            lambda node: node.outputs, lambda node, name: output_port(node, name) is not None,
        )  # fmt: skip

    def _target(self, text: str, path: Path) -> NodePort | Output | None:
        head, dot, rest = text.partition(".")
        if head == "_output":
            if dot and not rest:
                self.report.error("E309", self.document.span(path), "'_output.' needs a name")
                return None
            return Output(rest or None)
        return self._node_port(
            head, rest if dot else None, path, "feeds", "takes",
            lambda node: node.inputs, lambda node: node.inputs,
            lambda node, name: input_port(node, name) is not None,
        )  # fmt: skip

    def _node_port(
        self,
        name: str,
        port: str | None,
        path: Path,
        verb: str,
        has: str,
        known: Callable[[Node], list[Port]],
        default: Callable[[Node], list[Port]],
        exists: Callable[[Node, str], bool],
    ) -> NodePort | None:
        node = self.flow.nodes.get(name)
        if node is None:
            self.report.error(
                "E301", self.document.span(path), f"the edge {verb} '{name}', which is no node",
                hint=_END_HINTS.get((verb, name))
                or did_you_mean(name, [*self.flow.nodes, "_input" if verb == "reads" else "_output"]),
            )  # fmt: skip
            return None
        if port is None:
            candidates = default(node)
            if len(candidates) == 1:
                return NodePort(name, candidates[0].name)
            message = (
                f"the edge {verb} '{name}', which has {len(candidates) or 'no'} ports on that side"
            )
            code = "E309"
            hint: str | None = f"write '{name}.<port>'"
        elif exists(node, port):
            return NodePort(name, port)
        else:
            message = f"the edge {verb} '{name}.{port}', which '{name}' does not {has[:-1]}"
            code = "E301"
            hint = did_you_mean(port, [item.name for item in known(node)], f"{name}.")
            other = input_port(node, port) if verb == "reads" else output_port(node, port)
            if other is not None and hint is None:
                hint = f"'{port}' is an {'input' if verb == 'reads' else 'output'}: are 'from' and 'to' swapped?"
        declared = self.document.key_span(("nodes", name))
        self.report.error(
            code, self.document.span(path), message,
            related=[(declared, f"'{name}' {has} " + _list(known(node)))], hint=hint,
        )  # fmt: skip
        return None

    # Context, handler, tests

    def check_context(self) -> None:
        for name, node in self.flow.nodes.items():
            for i, field in enumerate(node.runtime.requires_context):
                if field in self.flow.context.requires or field in {"trace_id", "event_time"}:
                    continue
                path = ("nodes", name, "runtime", "requires_context", i)
                self.report.error(
                    "E307", self.document.span(path),
                    f"'{name}' requires the context field '{field}', which the flow does not require",
                    hint=did_you_mean(field, self.flow.context.requires)
                    or f"add '{field}' to context.requires",
                )  # fmt: skip

    def check_handler(self) -> None:
        handler = self.flow.on_error
        if handler is not None and handler not in self.flow.nodes:
            self.report.error(
                "E310", self.document.span(("on_error",)), f"on_error names '{handler}', which is no node",
                hint=did_you_mean(handler, self.flow.nodes),
            )  # fmt: skip

    def check_tools(self) -> None:
        for name, node in self.flow.nodes.items():
            for index, tool in enumerate(node.prompt.tools if node.prompt is not None else ()):
                if tool.maps_to not in self.flow.nodes:
                    self.report.error(
                        "E409",
                        self.document.span(("nodes", name, "prompt", "tools", index, "maps_to")),
                        f"the tool '{tool.name}' maps to '{tool.maps_to}', which is no node",
                        hint=did_you_mean(tool.maps_to, self.flow.nodes),
                    )  # fmt: skip

    def check_tests(self) -> None:
        seen: dict[str, Path] = {}
        for i, case in enumerate(self.flow.tests):
            path: Path = ("tests", i)
            if case.name in seen:
                self.report.error(
                    "E303", self.document.span((*path, "name")),
                    f"the test '{case.name}' is declared twice",
                    related=[(self.document.span(seen[case.name]), "first here")],
                )  # fmt: skip
            seen.setdefault(case.name, (*path, "name"))
            named = [(node, (*path, "mocks", node)) for node in case.mocks]
            for key, names in (("ran", case.expect.ran), ("skipped", case.expect.skipped)):
                named += [(node, (*path, "expect", key, j)) for j, node in enumerate(names)]
            for node, place in named:
                if node not in self.flow.nodes:
                    self.report.error(
                        "E312", self.document.key_span(place), f"the test names '{node}', which is no node",
                        hint=did_you_mean(node, self.flow.nodes),
                    )  # fmt: skip
            self._check_mocks(i)

    def _check_mocks(self, index: int) -> None:
        for name, mocks in self.flow.tests[index].mocks.items():
            node = self.flow.nodes.get(name)
            if node is None:
                continue
            for mock in mocks if isinstance(mocks, list) else [mocks]:
                path: Path = ("tests", index, "mocks", name)
                if mock.completion is not None and node.prompt is None:
                    self.report.error(
                        "E312", self.document.key_span(path),
                        f"'{name}' has no prompt, and so no completion to mock",
                    )
                tools = [tool.name for tool in node.prompt.tools] if node.prompt else []
                for call in mock.tool_calls:
                    if call.name not in tools:
                        self.report.error(
                            "E312", self.document.key_span(path), f"the mock calls '{call.name}', which is no tool of '{name}'",
                            hint=did_you_mean(call.name, tools),
                        )  # fmt: skip
                if mock.tool_calls and mock.completion is None:
                    self.report.error(
                        "E312", self.document.key_span(path), f"the mock of '{name}' calls tools and then has no completion"
                    )
                for port in mock.outputs or {}:
                    if output_port(node, port) is None:
                        self.report.error(
                            "E312", self.document.key_span(path),
                            f"the mock gives '{name}.{port}', which '{name}' does not produce",
                            hint=did_you_mean(port, [item.name for item in node.outputs]),
                        )  # fmt: skip


def _list(ports: list[Port]) -> str:
    return ", ".join(port.name for port in ports) or "nothing"
