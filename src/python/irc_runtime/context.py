"""What is known about a request in every node: who asks, in which session, when, under which trace.

One ``Context`` is made for each request, so it is cheap: the trace id and the event time are only
made when they are read, and then stay what they are.
"""

import copy
import random
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from irc_runtime.errors import RequestError

if TYPE_CHECKING:
    from irc_runtime.agent import Agent
    from irc_runtime.state.memory import MemoryBackend
    from irc_runtime.streaming import TokenSink

#: https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")

#: Characters of a trace id that a request names itself.
MAX_TRACE_ID = 128

NO_TRACE = "0" * 32

TRACE_HEADERS = ("traceparent", "tracestate")


class Context:
    """The context of one request.

    Fields of the request are attributes, too: ``context.locale``. A field that the flow declares as
    optional and the request lacks is None; any other name raises AttributeError.

    Args:
        request: the request's fields.
        headers: HTTP headers with lower-case names.
        optional: names of the fields that the flow declares as optional.
        deadline: the event loop's time at which all of the request has to be done, or None.
    """

    __slots__ = (
        "_event_time",
        "_headers",
        "_optional",
        "_received",
        "_request",
        "_request_state",
        "_trace_id",
        "auth",
        "deadline",
        "input_tokens",
        "output_tokens",
        "served_by",
        "session_id",
        "tokens",
        "traced",
        "user_id",
    )

    def __init__(
        self,
        request: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        optional: Sequence[str] = (),
        deadline: float | None = None,
    ) -> None:
        get = request.get
        self._request = request
        self._headers = headers
        self._optional = optional
        self._received = time.time()
        self._request_state: MemoryBackend | None = None
        self._trace_id: str | None = own_trace(request)
        self._event_time: str | None = get("event_time")
        self.user_id = get("user_id")
        self.session_id = get("session_id")
        self.auth = get("auth")
        self.deadline = deadline
        #: Where tokens of nodes that stream go; None where nobody listens.
        self.tokens: TokenSink | None = None
        #: The agent that answers the request; None where a node runs by itself.
        self.served_by: Agent | None = None
        #: Whether the request's spans are recorded.
        self.traced = False
        #: What the request's calls of models were charged for so far, as far as their servers said.
        self.input_tokens = self.output_tokens = 0
        if self._event_time is not None:
            parse_time(self._event_time)

    @property
    def trace_id(self) -> str:
        """The request's own, else that of its ``traceparent`` header, else a new one (32 hex)."""
        trace_id = self._trace_id
        if trace_id is None:
            trace_id = self._trace_id = trace_of(self._headers) or new_trace()
        return trace_id

    def location(self, node_id: str) -> str | None:
        """The flow's line of a node; None where a node runs by itself."""
        return None if self.served_by is None else self.served_by.location(node_id)

    def join_trace(self, trace_id: str) -> None:
        """Take part in a trace; a request that names one itself keeps that."""
        if self._trace_id is None:
            self._trace_id = trace_id

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's HTTP headers, with lower-case names."""
        return self._headers or {}

    @property
    def trace_headers(self) -> Mapping[str, str] | None:
        """The headers that name the caller's span; None where there are none."""
        headers = self._headers
        if not headers or "traceparent" not in headers or trace_of(headers) is None:
            return None
        return {name: headers[name] for name in TRACE_HEADERS if name in headers}

    @property
    def event_time(self) -> str:
        """RFC 3339: the request's own, else the instant at which it arrived, in UTC."""
        event_time = self._event_time
        if event_time is None:
            moment = datetime.fromtimestamp(self._received, UTC)
            event_time = self._event_time = moment.isoformat(timespec="microseconds").replace(
                "+00:00", "Z"
            )
        return event_time

    def get(self, name: str, default: Any = None) -> Any:
        """A field of the request, or one of the built-in fields; ``default`` where it is absent."""
        if name == "trace_id":
            return self.trace_id
        if name == "event_time":
            return self.event_time
        return self._request.get(name, default)

    def without_deadline(self) -> "Context":
        """The same request without its deadline, for work that others may wait for as well."""
        if self.deadline is None:
            return self
        self.request_state()  # what is made when it is first read, both are to have
        self._trace_id, self._event_time = self.trace_id, self.event_time
        other = copy.copy(self)
        other.deadline = None
        return other

    def request_state(self) -> "MemoryBackend":
        """Where nodes keep state that ends with the request."""
        if self._request_state is None:
            from irc_runtime.state.memory import MemoryBackend

            self._request_state = MemoryBackend()
        return self._request_state

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            if name in self._request:
                return self._request[name]
            if name in self._optional:
                return None
        raise AttributeError(f"the context has no field '{name}'")

    def __repr__(self) -> str:
        return f"Context(trace_id={self.trace_id!r})"


def own_trace(request: Mapping[str, Any]) -> str | None:
    """The trace id that a request names itself, if any.

    Raises:
        RequestError: it is too long for all events of the request to have it.
    """
    trace_id: str | None = request.get("trace_id")
    if trace_id is not None and len(str(trace_id)) > MAX_TRACE_ID:
        raise RequestError(f"trace_id is longer than {MAX_TRACE_ID} characters")
    return trace_id


def new_trace() -> str:
    """A trace id where the caller gave none."""
    return f"{random.getrandbits(128):032x}"


def trace_of(headers: Mapping[str, str] | None) -> str | None:
    """The trace id in a ``traceparent`` header; None where there is none, or it is malformed."""
    if not headers:
        return None
    match = TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if match is None or match[1] == NO_TRACE:
        return None
    return match[1]


def parse_time(text: str) -> datetime:
    """An RFC 3339 instant as an aware datetime; without an offset it is UTC.

    Raises:
        RequestError: the text is something else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise RequestError("'event_time' is not an RFC 3339 date and time") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
