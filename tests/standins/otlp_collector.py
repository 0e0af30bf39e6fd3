"""A collector that takes traces over OTLP by HTTP, as protobuf, and keeps the spans.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

#: Seconds in which the spans that a test waits for have to arrive.
ARRIVAL_S = 20.0


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it came; ids in hex, ``parent`` empty where it has none.

    Attributes:
        status: ``UNSET``, ``OK`` or ``ERROR``.
        links: ids of spans.
        resource: what the service says of itself.
    """

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    attributes: Mapping[str, Any]
    status: str
    message: str
    links: tuple[str, ...]
    resource: Mapping[str, Any]
    start_ns: int
    end_ns: int


@dataclass
class OtlpCollector:
    """The collector; a context manager that listens while it is open.

    Attributes:
        spans: all so far, in the order of their arrival.
        hangs: while it is set, requests are taken and not answered.
        requests: all so far.
        is_asked: whether a request waits for its answer.
    """

    spans: list[CollectedSpan] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)
    requests: int = 0
    is_asked: bool = False
    _server: ThreadingHTTPServer | None = None
    _closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, enough: Callable[[list[CollectedSpan]], bool]) -> list[CollectedSpan]:
        """The spans, once there are enough of them."""
        deadline = time.monotonic() + ARRIVAL_S
        while not enough(self.spans):
            assert time.monotonic() < deadline, [span.name for span in self.spans]
            time.sleep(0.02)
        return list(self.spans)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for part in request.resource_spans:
            resource = _values(part.resource.attributes)
            for scope in part.scope_spans:
                self.spans += [_span(span, resource) for span in scope.spans]

    def hang(self) -> None:
        """Wait while nothing is to be answered."""
        while self.hangs.is_set() and not self._closing.wait(0.02):
            pass

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"collector": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    collector: OtlpCollector

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.collector.requests += 1
        self.collector.is_asked = True
        self.collector.hang()
        self.collector.is_asked = False
        right = self.path == "/v1/traces"
        if right and self.headers["Content-Type"] == "application/x-protobuf":
            self.collector.take(body)
            status, answer = 200, ExportTraceServiceResponse().SerializeToString()
        else:
            status, answer = 404, b""
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def _span(span: WireSpan, resource: Mapping[str, Any]) -> CollectedSpan:
    return CollectedSpan(
        span.name,
        WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _values(span.attributes),
        Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        span.status.message,
        tuple(link.span_id.hex() for link in span.links),
        resource,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return dict(_pairs(attributes))


def _pairs(attributes: Any) -> Iterator[tuple[str, Any]]:
    item: KeyValue
    for item in attributes:
        yield item.key, _value(item.value)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return None if kind is None else getattr(value, kind)
