"""Spans of calls of web services, by the conventions for HTTP clients.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
"""

from contextlib import AbstractContextManager

import httpx

from irc_runtime import tracing
from irc_runtime.hosts import Origin
from irc_runtime.tracing import Span


def http_span(request: httpx.Request, *, chosen_host: bool) -> AbstractContextManager[Span]:
    """One exchange; its path and query, and a host that a caller chose, are content and not said."""
    attributes: dict[str, str | int] = {"http.request.method": request.method}
    if not chosen_host:
        origin = Origin.of(request.url)
        attributes |= {"server.address": origin.host, "server.port": origin.port}
    return tracing.span(request.method, "client", attributes)


def note_status(span: Span, status: int) -> None:
    """Say what was answered; from 400 on it is a failure of the call."""
    span.set_attribute("http.response.status_code", status)
    if status >= 400:
        tracing.fail(str(status))
