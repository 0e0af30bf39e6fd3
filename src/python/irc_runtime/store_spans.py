"""Spans of calls to feature stores, by the conventions for databases; keys and records are not said.

https://opentelemetry.io/docs/specs/semconv/database/database-spans/
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from irc_runtime import tracing
from irc_runtime.tracing import Span


def use_span(use: str, collection: str) -> AbstractContextManager[Span]:
    """A node's ``read`` or ``write``, which may go with others in one call."""
    return tracing.span(f"{use} {collection}", attributes={"db.collection.name": collection})


def call_span(
    system: str, operation: str, collection: str, users: Sequence[Span]
) -> AbstractContextManager[Span]:
    """One call for what goes together; below the first of them, and linked with the others."""
    attributes: dict[str, str | int] = {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.collection.name": collection,
    }
    if len(users) > 1:
        attributes["db.operation.batch.size"] = len(users)
    return tracing.shared_span(f"{operation} {collection}", attributes, users)
