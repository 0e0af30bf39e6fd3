"""The type pass: which port types connect, and through which cast."""

from __future__ import annotations

from dataclasses import replace

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph, NodePort, RequestField, input_port, output_port
from irc.source import Document

CASTS: dict[tuple[str, str], str | None] = {
    ("string", "document"): None,
    ("document", "string"): None,
    ("number", "string"): "to_string",
    ("boolean", "string"): "to_string",
    ("table", "object"): "single_row",
    ("table", "array"): None,
    ("embedding", "array"): None,
}
"""The pairs that connect besides equal ones, and the runtime function that casts."""


def check_types(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Check the types of each link and set its cast.

    Reports:
        E401 where two types do not connect. An edge's transform may give any type, and so such an
        edge is not checked.
    """
    for place, link in enumerate(graph.links):
        if isinstance(link.source, RequestField) or not isinstance(link.target, NodePort):
            continue
        if link.edge.transform is not None:
            continue
        source = output_port(graph.flow.nodes[link.source.node], link.source.port)
        target = input_port(graph.flow.nodes[link.target.node], link.target.port)
        assert source is not None and target is not None
        if source.type == target.type:
            continue
        pair = (source.type, target.type)
        if pair in CASTS:
            graph.links[place] = replace(link, cast=CASTS[pair])
            continue
        fits = sorted(to for origin, to in CASTS if origin == source.type)
        report.error(
            "E401", document.span(("edges", link.index, "to")),
            f"'{link.source}' is {_a(source.type)} and does not fit '{link.target}',"
            f" which is {_a(target.type)}",
            related=[(document.span(("edges", link.index, "from")), "connected here")],
            hint=f"{_a(source.type)} fits {', '.join([source.type, *fits])}; an edge's 'transform' can convert it",
        )  # fmt: skip
    graph.index()


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
