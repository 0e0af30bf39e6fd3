"""Spans of calls to Redis, by the conventions for databases; keys and values are not said.

https://opentelemetry.io/docs/specs/semconv/database/redis/
"""

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from irc_runtime import tracing
from irc_runtime.state.redis_scripts import GIVE, RENEW, TAKE, WRITE
from irc_runtime.tracing import Attributes, Span

#: The scripts, as spans call them.
NAMES = {TAKE: "take", RENEW: "renew", WRITE: "write", GIVE: "give"}


def server_attributes(url: str) -> Attributes:
    """Where Redis is; a socket's path is its address."""
    address = urlsplit(url)
    if address.scheme == "unix":
        return {"server.address": address.path}
    return {"server.address": address.hostname or "localhost", "server.port": address.port or 6379}


def script_span(script: str, server: Attributes) -> AbstractContextManager[Span]:
    """One run of a script."""
    attributes = {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": NAMES[script],
        **server,
    }
    return tracing.span(f"EVALSHA {NAMES[script]}", "client", attributes)
