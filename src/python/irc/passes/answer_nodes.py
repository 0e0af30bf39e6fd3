"""Which nodes' text a response is: whoever streams it can send it as it comes."""

from __future__ import annotations

from irc.ir.graph import Graph, NodePort, Output

CONVERSATION = "messages"
"""The context field that makes a flow one that takes conversations."""

CONTENT = "content"
"""The field of a response that is a conversation's answer."""


def answer_nodes(graph: Graph) -> tuple[str, ...]:
    """The nodes that stream and whose whole text becomes the answer of a conversation, in file order.

    The text reaches ``_output``, or ``_output.content``, by an edge that neither changes it nor may
    hold it back, and no tools are called before it: what a model says then is no part of the answer.
    """
    flow = graph.flow
    if CONVERSATION not in (*flow.context.requires, *flow.context.optional):
        return ()
    found = set()
    for link in graph.links:
        if link.target not in (Output(None), Output(CONTENT)):
            continue
        if link.edge.condition is not None or link.edge.transform is not None:
            continue
        if not isinstance(link.source, NodePort):
            continue
        node = flow.nodes[link.source.node]
        error_port = None if node.error is None else node.error.name
        prompt = node.prompt
        if prompt is None or link.source.port == error_port:
            continue
        if prompt.stream and prompt.output_schema is None and not prompt.tools:
            found.add(link.source.node)
    return tuple(name for name in flow.nodes if name in found)
