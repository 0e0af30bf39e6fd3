"""Traces by OpenTelemetry's SDK, sent over OTLP; imported only where the environment asks for them."""

import threading
from collections.abc import MutableMapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from irc_runtime.context import Context
from irc_runtime.errors import AgentError, error_type, public_reason
from irc_runtime.events import WARNING, event
from irc_runtime.tracing import FLUSH_S, NO_SPAN, Attributes, Kind, Span

KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}


def provider_for(agent: str) -> TracerProvider:
    """What makes spans and sends them in batches, as the environment says.

    Args:
        agent: the agent's name, which is the service's where the environment does not name it.
    Raises:
        ValueError: a setting is malformed.
    """
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: agent}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def use_trace_context_alone() -> None:
    """Pass on no baggage, which may say anything of a caller, to models and services.

    It is OpenTelemetry's default; OTEL_PROPAGATORS asks for it.
    """
    propagate.set_global_textmap(TraceContextTextMapPropagator())


class OpenTelemetryTracer:
    """Makes spans; see ``tracing.Tracer``."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("irc_runtime", schema_url=Schemas.V1_44_0.value)

    def request(self, name: str, context: Context) -> AbstractContextManager[Span]:
        """Where a library has begun a span of the same request, it is the parent; else the caller's."""
        parent = contexts.get_current()
        if not trace.get_current_span(parent).get_span_context().is_valid:
            parent = propagate.extract(context.headers, parent)
        attributes: Attributes = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": name,
        }
        span = self._tracer.start_span(
            f"invoke_workflow {name}", parent, SpanKind.SERVER, dict(attributes)
        )
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        context.join_trace(trace_id)
        context.traced = span.is_recording()
        if context.trace_id != trace_id:
            span.set_attribute("irc.request.trace_id", context.trace_id)
        return _Open(span)

    def span(
        self, name: str, kind: Kind, attributes: Attributes, links: Sequence[trace.SpanContext]
    ) -> AbstractContextManager[Span]:
        """A span below the current one, where that is recorded."""
        if not trace.get_current_span().is_recording():
            return NO_SPAN
        return _Open(
            self._tracer.start_span(
                name, None, KINDS[kind], dict(attributes), [trace.Link(link) for link in links]
            )
        )

    def shared_span(
        self, name: str, attributes: Attributes, users: Sequence[Span]
    ) -> AbstractContextManager[Span]:
        """A span below the first of several that is recorded, and linked with the others."""
        recorded = [user for user in users if isinstance(user, trace.Span)]
        if not recorded:
            return NO_SPAN
        parent, *others = recorded
        span = self._tracer.start_span(
            name,
            trace.set_span_in_context(parent),
            SpanKind.CLIENT,
            dict(attributes),
            [trace.Link(other.get_span_context()) for other in others],
        )
        for other in others:
            other.add_link(span.get_span_context())
        return _Open(span)

    def fail(self, error_type: str) -> None:
        """Say that what the current span measures has failed."""
        span = trace.get_current_span()
        span.set_attribute("error.type", error_type)
        span.set_status(StatusCode.ERROR)

    def current(self) -> Span:
        """The current span; one of which nothing is recorded is none."""
        span = trace.get_current_span()
        return span if span.is_recording() else NO_SPAN

    def span_id(self) -> str | None:
        """The current span's id."""
        span = trace.get_current_span()
        return (
            trace.format_span_id(span.get_span_context().span_id) if span.is_recording() else None
        )

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Add the headers that name the current span."""
        propagate.inject(headers)

    def shutdown(self) -> None:
        """Send what waits; the SDK's own shutdown waits for half a minute."""
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)
        if flushing.is_alive():
            event(WARNING, "spans_lost", reason="the collector did not take the last spans in time")


class _Open:
    """A span while its block runs."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def __enter__(self) -> trace.Span:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        contexts.detach(self._token)
        if isinstance(error, Exception):
            self._fail(error)
        elif error is not None:
            self._span.set_attribute("irc.cancelled", True)
        self._span.end()

    def _fail(self, error: Exception) -> None:
        """Say what failed, without content; what a caller did wrong is no failure of the request."""
        self._span.set_attribute("error.type", error_type(error))
        span_kind = getattr(self._span, "kind", None)
        if span_kind is SpanKind.SERVER and isinstance(error, AgentError) and error.status < 500:
            return
        self._span.set_status(Status(StatusCode.ERROR, public_reason(error)))
