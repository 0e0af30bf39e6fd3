"""URLs whose host the flow does not say: the agent asks only those that its operator names.

What comes from outside is followed along edges and through ``io.format_response``, which hands values
on as they are, and named. It is not followed through code, stores and services, which may choose by
it, nor along edges with conditions, nor into ports whose schema lists or shapes what may pass.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from irc.addresses import host_references
from irc.diagnostics import Diagnostics, Span
from irc.emit.edges import EdgeCode
from irc.ir.graph import Graph, Link, NodePort, RequestField
from irc.ir.model import Node, Port, Tool
from irc.ops.registry import operation_of
from irc.passes.analyse import Analysis
from irc.references import Reference
from irc.source import Document, Path


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: words for it, and its place, which is looked up when it is told."""

    name: str
    place: Callable[[], Span]


HOSTS_VARIABLE = "IRC_HTTP_HOSTS"
"""Names the hosts that callers and models may choose."""

Origins = Mapping[Path, Origin]
"""The parts of a value that come from outside, by their path in it; the empty path is all of it."""


def check_hosts(
    document: Document,
    graph: Graph,
    analysis: Analysis,
    edges: Mapping[int, EdgeCode],
    report: Diagnostics,
) -> None:
    """Report W307 for each reference but ``${env.NAME}`` that names a host.

    A flow that says which hosts may be named, in ``deployment.kserve.env``, is taken at its word.
    """
    if HOSTS_VARIABLE in graph.flow.deployment.kserve.env:
        return
    if not any(_may_choose_a_host(graph.flow.nodes[name]) for name in analysis.running):
        return
    flows = _Flows(document, graph, edges)
    for name in analysis.running:
        node = graph.flow.nodes[name]
        inputs = flows.inputs(name, node)
        operation = operation_of(node)
        if node.prompt is not None:
            flows.answer(name, node)
        elif operation is not None and node.transform is not None:
            arguments = node.transform.spec.get("args", {})
            at: Path = ("nodes", name, "transform", "spec", "args")
            if operation.name == "io.format_response" and len(node.outputs) == 1:
                template = flows.filled(arguments.get("template"), inputs, (*at, "template"))
                flows.origins[NodePort(name, node.outputs[0].name)] = template
            elif operation.name.startswith("http.") and isinstance(arguments.get("url"), str):
                _check_url(flows, arguments["url"], inputs, (*at, "url"), report)


def _may_choose_a_host(node: Node) -> bool:
    operation = operation_of(node)
    if operation is None or node.transform is None or not operation.name.startswith("http."):
        return False
    url = node.transform.spec.get("args", {}).get("url")
    return isinstance(url, str) and bool(host_references(url))


def _check_url(
    flows: _Flows, url: str, inputs: Mapping[str, Origins], path: Path, report: Diagnostics
) -> None:
    for reference in host_references(url):
        place = flows.place(path, reference)
        if reference.root == "env":
            continue
        origin = flows.of_reference(reference, inputs, place)
        span = place()
        first = span if origin is None else origin.place()
        where = "is not said by the flow" if origin is None else f"comes from {origin.name}"
        report.warning(
            "W307", span, f"the host of this URL {where}",
            related=[(first, "from here")] if first != span else [],
            hint="write the host, or read it from ${env.NAME}, with a '/' before what callers may"
            f" choose; others are asked only where {HOSTS_VARIABLE} names them",
        )  # fmt: skip


@dataclass
class _Flows:
    """What comes from outside, by the ports that it has passed so far.

    Attributes:
        tools: the prompts whose models call a node, each with the tool and its place.
    """

    document: Document
    graph: Graph
    edges: Mapping[int, EdgeCode]
    origins: dict[NodePort, Origins] = field(default_factory=dict)
    tools: dict[str, list[tuple[str, int, Tool]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, node in self.graph.flow.nodes.items():
            for index, tool in enumerate(node.prompt.tools if node.prompt else []):
                self.tools.setdefault(tool.maps_to, []).append((name, index, tool))

    def place(self, path: Path, reference: Reference) -> Callable[[], Span]:
        """Where a reference stands."""
        return partial(self.document.text_span, path, reference.start, reference.end)

    def inputs(self, name: str, node: Node) -> dict[str, Origins]:
        found: dict[str, Origins] = {}
        for port in node.inputs:
            if _is_free(port):
                parts: dict[Path, Origin] = {}
                for link in self.graph.into(NodePort(name, port.name)):
                    parts.update(self._along(link))
                for prompt, index, tool in self.tools.get(name, []):
                    if _is_open(tool.parameters.get("properties", {}).get(port.name, {})):
                        place = ("nodes", prompt, "prompt", "tools", index, "maps_to")
                        span = partial(self.document.span, place)
                        parts[()] = Origin(f"the model in '{prompt}', which calls it", span)
                found[port.name] = parts
        return found

    def _along(self, link: Link) -> Origins:
        code = self.edges.get(link.index)
        steps: Path | None = ()
        if code is not None and code.transform is not None:
            steps = _steps(code.transform.tree)
        if steps is None or link.edge.condition is not None:
            return {}
        if isinstance(link.source, RequestField):
            place = partial(self.document.span, ("edges", link.index, "from"))
            return {(): Origin("the request", place)}
        return _below(self.origins.get(link.source, {}), steps)

    def answer(self, name: str, node: Node) -> None:
        """Note what a prompt's model says freely."""
        assert node.prompt is not None
        origin = Origin(
            f"the answer of the model in '{name}'",
            partial(self.document.key_span, ("nodes", name, "prompt")),
        )
        properties = (node.prompt.output_schema or {}).get("properties")
        whole: dict[Path, Origin] = {(): origin}
        if isinstance(properties, dict):
            whole = {(key,): origin for key, value in properties.items() if _is_open(value)}
        by_port = isinstance(properties, dict) and all(p.name in properties for p in node.outputs)
        for port in node.outputs:
            if _is_free(port):
                parts = _below(whole, (port.name,)) if by_port else whole
                self.origins[NodePort(name, port.name)] = parts

    def filled(self, template: Any, inputs: Mapping[str, Origins], path: Path) -> Origins:
        """What comes from outside in a template's value."""
        found: dict[Path, Origin] = {}
        stack: list[tuple[Any, Path]] = [(template, ())]
        while stack:
            value, at = stack.pop()
            if isinstance(value, dict):
                stack += [(item, (*at, str(key))) for key, item in value.items()]
            elif isinstance(value, list):
                stack += [(item, (*at, index)) for index, item in enumerate(value)]
            elif isinstance(value, str):
                for reference in host_references(value):
                    place = self.place((*path, *at), reference)
                    whole = (reference.start, reference.end) == (0, len(value))
                    if whole and reference.root in inputs:
                        parts = _below(inputs[reference.root], reference.path)
                        found |= {(*at, *below): origin for below, origin in parts.items()}
                    elif origin := self.of_reference(reference, inputs, place):
                        found[at] = origin
        return found

    def of_reference(
        self, reference: Reference, inputs: Mapping[str, Origins], place: Callable[[], Span]
    ) -> Origin | None:
        """Where the value of a reference comes from; None where not from outside."""
        if reference.root == "context":
            return Origin("the request", place)
        return _below(inputs.get(reference.root, {}), reference.path).get(())


def _below(parts: Origins, path: Path) -> Origins:
    """The parts of a part."""
    for length in range(len(path) + 1):
        if path[:length] in parts:
            return {(): parts[path[:length]]}
    return {at[len(path) :]: origin for at, origin in parts.items() if at[: len(path)] == path}


def _steps(tree: ast.expr) -> Path | None:
    """The keys of ``value["a"]["b"]``; None for what does more than to choose a part."""
    steps: list[str | int] = []
    while isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Constant):
        steps.insert(0, tree.slice.value)  # type: ignore[arg-type]  # a slice that JSON can have
        tree = tree.value
    return tuple(steps) if isinstance(tree, ast.Name) else None


def _is_free(port: Port) -> bool:
    """Whether any text may pass a port."""
    return port.type not in {"number", "boolean"} and (
        port.json_schema is None or _is_open(port.json_schema)
    )


def _is_open(schema: Any) -> bool:
    """Whether a JSON Schema lets any text through."""
    if not isinstance(schema, dict):
        return True
    return not {"enum", "const", "pattern", "$ref", "allOf", "anyOf", "oneOf"} & set(
        schema
    ) and schema.get("type") not in ("number", "integer", "boolean")
