"""The last look at what a flow declares: context fields that nothing reads."""

from __future__ import annotations

import string
from collections.abc import Mapping

from irc.diagnostics import Diagnostics
from irc.emit.edges import EdgeCode
from irc.expression_rewriting import BUILT_IN_FIELDS
from irc.ir.graph import Graph, RequestField
from irc.ir.lowered import Facts
from irc.source import Document


def check_unread(
    document: Document,
    graph: Graph,
    nodes: Mapping[str, Facts],
    edges: Mapping[int, EdgeCode],
    report: Diagnostics,
) -> None:
    """Say which declared context fields no edge, node or state key reads.

    Reports:
        W302; not where some code gets the whole context, since it may read any field.
    """
    if any(facts.reads_any_field for facts in nodes.values()):
        return
    read = {*BUILT_IN_FIELDS}  # known to the runtime, and to logs
    read |= {link.source.name for link in graph.links if isinstance(link.source, RequestField)}
    for facts in nodes.values():
        read |= facts.context_fields
    for code in edges.values():
        for expression in (code.condition, code.transform):
            read |= expression.context_fields if expression is not None else frozenset()
    for node in graph.flow.nodes.values():
        read |= set(node.runtime.requires_context)
        if node.state is not None and node.state.key is not None:
            fields = (part[1] for part in string.Formatter().parse(node.state.key))
            read |= {field.removeprefix("context.") for field in fields if field}
    context = graph.flow.context
    for key, names in (("requires", context.requires), ("optional", context.optional)):
        for index, name in enumerate(names):
            if name not in read:
                report.warning(
                    "W302", document.span(("context", key, index)),
                    f"nothing reads the context field '{name}'",
                )  # fmt: skip
