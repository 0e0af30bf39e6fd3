"""The trace's headers in calls that go through httpx: web services, and the clients of models."""

import httpx

from irc_runtime import tracing


async def add_trace_headers(request: httpx.Request) -> None:
    """A hook of httpx for requests; one that has trace headers of its own keeps them."""
    for name, value in tracing.outgoing().items():
        request.headers.setdefault(name, value)
