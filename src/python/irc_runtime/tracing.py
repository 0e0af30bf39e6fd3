"""Spans of requests, nodes and what these use; and the trace's headers for whom they call.

Nothing here imports OpenTelemetry. Where the environment asks for traces, ``otel`` sets ``tracer``;
elsewhere nothing is measured, and a caller's trace headers are passed on as they came.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from irc_runtime.context import Context

Kind: TypeAlias = Literal["internal", "server", "client"]
Attributes: TypeAlias = Mapping[str, str | int | float | bool | Sequence[str]]

#: Seconds for the spans that wait when the process ends; a collector that hangs has no more.
FLUSH_S = 3.0

NO_ATTRIBUTES: Attributes = MappingProxyType({})


class Span(Protocol):
    """What is done with a span; a failure that leaves its block is noted by itself."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Say something of it."""

    def add_link(self, context: Any) -> None:
        """Point to another span, by its ``get_span_context()``."""

    def get_span_context(self) -> Any:
        """What links to the span hold; None where nothing is recorded."""


class Tracer(Protocol):
    """What makes spans: ``otel.OpenTelemetryTracer``."""

    def request(self, name: str, context: "Context") -> AbstractContextManager[Span]:
        """The span of a request, below that of its caller; says in ``context`` whether to trace."""

    def span(
        self, name: str, kind: Kind, attributes: Attributes, links: Sequence[Any]
    ) -> AbstractContextManager[Span]:
        """A span below the current one, where that is recorded."""

    def shared_span(
        self, name: str, attributes: Attributes, users: Sequence[Span]
    ) -> AbstractContextManager[Span]:
        """A span below the first of several that is recorded, and linked with the others."""

    def current(self) -> Span:
        """The current span."""

    def fail(self, error_type: str) -> None:
        """Say that what the current span measures has failed."""

    def span_id(self) -> str | None:
        """The current span's id (16 hex); None where there is none."""

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Add the headers that name the current span."""

    def shutdown(self) -> None:
        """Send what waits to be sent, within a bound."""


class NoSpan:
    """A span where nothing is recorded."""

    __slots__ = ()

    def set_attribute(self, key: str, value: Any) -> None:
        """Do nothing."""

    def add_link(self, context: Any) -> None:
        """Do nothing."""

    def get_span_context(self) -> None:
        """There is none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return


NO_SPAN = NoSpan()

#: None where tracing is off.
tracer: Tracer | None = None

#: The trace headers of the request's caller, where tracing is off.
carried: ContextVar[Mapping[str, str] | None] = ContextVar("carried", default=None)


def request_span(name: str, context: "Context") -> AbstractContextManager[Span]:
    """The span of a request to the agent of a name."""
    if tracer is not None:
        return tracer.request(name, context)
    headers = context.trace_headers
    if headers is not None:
        carried.set(headers)
    return NO_SPAN


def span(
    name: str,
    kind: Kind = "internal",
    attributes: Attributes = NO_ATTRIBUTES,
    links: Sequence[Any] = (),
) -> AbstractContextManager[Span]:
    """A span below the current one; nothing where that is not recorded."""
    return NO_SPAN if tracer is None else tracer.span(name, kind, attributes, links)


def shared_span(
    name: str, attributes: Attributes, users: Sequence[Span]
) -> AbstractContextManager[Span]:
    """A call on behalf of several, which may be of several requests."""
    return NO_SPAN if tracer is None else tracer.shared_span(name, attributes, users)


def fail(error_type: str) -> None:
    """Say that what the current span measures has failed, where no exception says it."""
    if tracer is not None:
        tracer.fail(error_type)


def current() -> Span:
    """The current span."""
    return NO_SPAN if tracer is None else tracer.current()


def span_id() -> str | None:
    """The current span's id (16 hex); None where there is none."""
    return None if tracer is None else tracer.span_id()


def outgoing() -> dict[str, str]:
    """The trace headers of a call to somebody else: the current span's, or the caller's own."""
    headers: dict[str, str] = {}
    if tracer is not None:
        tracer.inject(headers)
    else:
        headers.update(carried.get() or {})
    return headers


async def add_trace_headers(request: Any) -> None:
    """A hook for requests of httpx; one that has trace headers of its own keeps them."""
    for name, value in outgoing().items():
        request.headers.setdefault(name, value)


def shutdown() -> None:
    """Send the spans that wait, within a few seconds; a collector that hangs is not waited for."""
    if tracer is not None:
        tracer.shutdown()
