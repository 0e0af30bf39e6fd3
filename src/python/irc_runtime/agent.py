"""The base of every generated agent: a flow that is loaded once and then answers requests."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter
from typing import Any, ClassVar

from irc_runtime import tracing
from irc_runtime.cache import CacheSpec, SingleFlightCache
from irc_runtime.context import Context, new_trace, own_trace, trace_of
from irc_runtime.environment import seconds
from irc_runtime.errors import (
    AgentError,
    FlowError,
    NodeError,
    RequestError,
    port_value,
    raised_at,
)
from irc_runtime.events import ERROR, INFO, WARNING, event
from irc_runtime.metrics import IN_FLIGHT, REQUESTS, AgentMetrics, observe
from irc_runtime.node import Execution, Inputs, Node, Outputs

#: What a proxy (Envoy, hence Istio and Knative) says a request may take, in milliseconds.
DEADLINE_HEADER = "x-envoy-expected-rq-timeout-ms"

#: The header's longest text that is read: more than thirty years.
MAX_DEADLINE_DIGITS = 12

#: The variable that says what a request may take, in seconds.
REQUEST_TIMEOUT = "IRC_REQUEST_TIMEOUT_S"

#: Attributes under which an agent keeps what its nodes use, in the order in which it is closed.
EDGES = ("models", "http", "features", "registry", "states")


class Agent(ABC):
    """A flow. The compiler writes a subclass with one method a node, and ``run``.

    A subclass may define ``handle_error(error, request, context)``, which answers in the flow's
    place when it fails; ``error`` has the shape of what an error port delivers.
    """

    #: The flow's name, which is the model's name where the agent is served.
    name: ClassVar[str] = "agent"
    #: The flow's file, relative to the root of the repository.
    source: ClassVar[str] = ""
    #: Request fields that must be present.
    requires: ClassVar[tuple[str, ...]] = ()
    #: Request fields that may be present.
    optional: ClassVar[tuple[str, ...]] = ()
    #: Nodes that stream and whose text the response is, where the flow takes a conversation.
    answer_nodes: ClassVar[tuple[str, ...]] = ()
    #: The node methods by id, in the order of the class body.
    nodes: ClassVar[Mapping[str, Execution]] = {}

    #: Seconds for a whole request, all nodes included; None leaves it to ``IRC_REQUEST_TIMEOUT_S``, and
    #: without that to the nodes' own limits.
    request_timeout_s: float | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {
            value.settings.id: value
            for value in vars(cls).values()
            if isinstance(getattr(value, "settings", None), Node)
        }
        cls.nodes = {**cls.nodes, **own}

    def __init__(self) -> None:
        self.ready = False
        self.metrics = AgentMetrics(self.name, self.nodes)
        self._limits: dict[str, asyncio.Semaphore] = {}
        self._caches: dict[str, SingleFlightCache] = {}

    def load(self) -> bool:
        """Make ready; a subclass connects what its nodes use and then calls this.

        Raises:
            LoadError: something that the nodes use is missing or misconfigured.
        """
        if self.request_timeout_s is None:
            self.request_timeout_s = seconds(REQUEST_TIMEOUT)
        for method in self.nodes.values():
            settings: Node = vars(method)["settings"]
            for schema in (*settings.inputs.values(), *settings.outputs.values()):
                schema.compile()
            if settings.error_schema is not None:
                settings.error_schema.compile()
        self.ready = True
        event(INFO, "loaded", agent=self.name, source=self.source)
        return self.ready

    async def connected(self) -> bool:
        """Whether all that nodes need has been reached since the agent was loaded.

        Most of it is looked up by ``load``; what may come later, as a Redis that is away, says so by
        a method ``connected`` of its own.
        """
        for edge in EDGES:
            connected = getattr(vars(self).get(edge), "connected", None)
            if connected is not None and not await connected():
                return False
        return True

    async def close(self) -> None:
        """Give back connections; the agent is not ready afterwards."""
        self.ready = False
        for edge in EDGES:
            if edge in vars(self):
                await vars(self)[edge].close()

    @abstractmethod
    async def run(self, request: Inputs, ctx: Context) -> Any:
        """Run the flow; the compiler writes it."""

    async def predict(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Any:
        """Answer a request.

        Args:
            request: the request's fields; fields that the flow does not declare are kept.
            headers: HTTP headers with lower-case names: ``traceparent`` names the trace,
                ``x-envoy-expected-rq-timeout-ms`` bounds the time.
        Raises:
            RequestError: fields are missing (all are named) or malformed.
            NodeError: a node failed, and neither an error port nor ``handle_error`` took it.
            AgentError: nothing was delivered to the output, or an edge failed.
        """
        return await self.predict_in(request, self.context_of(request, headers))

    def context_of(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Context:
        """The context of a request, once it is known to hold what the flow requires.

        Raises:
            RequestError: fields are missing (all are named) or malformed.
        """
        try:
            for name in self.requires:
                if request.get(name) is None:
                    raise self._incomplete(request, headers)
            deadline = self._deadline(headers)
            context = Context(request, headers, optional=self.optional, deadline=deadline)
        except RequestError:
            observe(self.metrics.requests, REQUESTS["refused"], 0.0)
            raise
        context.served_by = self
        return context

    async def predict_in(self, request: Mapping[str, Any], context: Context) -> Any:
        """Answer a request whose context is made; raises what ``predict`` does."""
        row = self.metrics.requests
        row[IN_FLIGHT] += 1
        outcome = "cancelled"
        started = perf_counter()
        try:
            with tracing.request_span(self.name, context) as span:
                try:
                    answer = await self.run(request, context)
                    outcome = "ok"
                except RequestError:
                    raise
                except Exception as error:  # noqa: BLE001  # the boundary: any failure is answered
                    answer = await self._failed(error, request, context)
                    outcome = "handled"
                    span.set_attribute("irc.outcome", outcome)
                return answer
        except AgentError as error:
            outcome = _outcome(error)
            raise
        finally:
            row[IN_FLIGHT] -= 1
            observe(row, REQUESTS[outcome], perf_counter() - started)

    def location(self, node_id: str) -> str:
        """The line of the flow at which a node stands, as ``flow.yaml:12``."""
        return f"{self.source}:{vars(self.nodes[node_id])['settings'].line}"

    def limit(self, node_id: str, concurrency: int) -> asyncio.Semaphore:
        """The semaphore of a node that has a limit."""
        limit = self._limits.get(node_id)
        if limit is None:
            limit = self._limits[node_id] = asyncio.Semaphore(concurrency)
        return limit

    def cache(self, node_id: str, spec: CacheSpec) -> SingleFlightCache:
        """The cache of a node that has one."""
        cache = self._caches.get(node_id)
        if cache is None:
            cache = self._caches[node_id] = SingleFlightCache(spec)
        return cache

    def log(self, error: AgentError, context: Context, *, handled: bool) -> None:
        """Report a failure, with its trace, node and place in the flow, and where it was raised."""
        cause = error.__cause__ or error
        event(
            WARNING if handled else ERROR,
            "node_failed" if isinstance(error, NodeError) else "request_failed",
            agent=self.name,
            trace_id=context.trace_id,
            node=getattr(error, "node", None),
            location=getattr(error, "location", self.source),
            type=error.type,
            reason=error.reason,
            attempts=getattr(error, "attempts", None),
            raised_at=None if error.type == "timeout" else raised_at(cause),
            handled=handled,
        )

    async def _failed(self, error: Exception, request: Inputs, context: Context) -> Any:
        failure = _as_agent_error(error)
        handler: Callable[[Any, Outputs, Inputs, Context], Coroutine[Any, Any, Any]] | None
        handler = getattr(type(self), "handle_error", None)
        self.log(failure, context, handled=handler is not None)
        if handler is None:
            failure.trace_id = context.trace_id
            raise failure
        try:
            return await handler(self, port_value(failure), request, context)
        except Exception as again:  # noqa: BLE001  # the boundary: any failure is answered
            second = _as_agent_error(again)
        self.log(second, context, handled=False)
        second.trace_id = context.trace_id
        raise second

    def _incomplete(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None
    ) -> RequestError:
        missing = [name for name in self.requires if request.get(name) is None]
        error = RequestError(f"missing required fields: {', '.join(missing)}", missing)
        error.trace_id = own_trace(request) or trace_of(headers) or new_trace()
        return error

    def _deadline(self, headers: Mapping[str, str] | None) -> float | None:
        """The event loop's time at which a request has to be done."""
        limit_s = self.request_timeout_s
        header_ms = limit_ms(headers.get(DEADLINE_HEADER, "")) if headers else None
        if header_ms is not None:
            limit_s = min(header_ms / 1000, math.inf if limit_s is None else limit_s)
        return None if limit_s is None else asyncio.get_running_loop().time() + limit_s


def limit_ms(text: str) -> int | None:
    """Milliseconds that the deadline's header gives; None where it gives none, as 0 does."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_DEADLINE_DIGITS:
        return int(text) or None
    return None


def _as_agent_error(error: Exception) -> AgentError:
    """A failure as one of the agent; of other code's, the cause."""
    if isinstance(error, AgentError):
        return error
    failure = FlowError(error)
    failure.__cause__ = error
    return failure


def _outcome(error: AgentError) -> str:
    """A failure that the caller sees, as metrics name it."""
    if 400 <= error.status < 500:
        return "refused"
    return "timeout" if error.status == 504 else "error"
