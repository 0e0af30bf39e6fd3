"""The spans of a node: docs/observability.md has them."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from irc_runtime import tracing
from irc_runtime.tracing import Span

if TYPE_CHECKING:
    from irc_runtime.node import Node


def node_span(agent: Any, settings: "Node") -> AbstractContextManager[Span]:
    """One execution of a node, as the flow sees it: its cache, fallbacks and error port included."""
    attributes: dict[str, str | int] = {
        "irc.agent": agent.name,
        "irc.node": settings.id,
        "code.file.path": agent.source,
        "code.line.number": settings.line,
    }
    return tracing.span(f"node {settings.id}", attributes=attributes)


def attempt_span(node_id: str, attempt: int) -> AbstractContextManager[Span]:
    """One attempt; the first is 1."""
    attributes: dict[str, str | int] = {"irc.node": node_id, "irc.attempt": attempt}
    return tracing.span(f"attempt {node_id}", attributes=attributes)


def fallback_span(node_id: str) -> AbstractContextManager[Span]:
    """One fallback that answers in the node's place."""
    return tracing.span(f"fallback {node_id}", attributes={"irc.node": node_id})


def note_cache(result: str, leader: Any) -> None:
    """Say in the node's span where its result comes from; link to the span that makes it."""
    span = tracing.current()
    span.set_attribute("irc.cache", result)
    if leader is not None:
        span.add_link(leader)


def note_handled(handler: str) -> None:
    """Say in the node's span what took its failure."""
    tracing.current().set_attribute("irc.handler", handler)
