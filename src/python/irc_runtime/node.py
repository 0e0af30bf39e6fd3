"""A node of a flow as a method: its settings, and what happens around each execution.

``node`` wraps a method in layers, each only where the settings ask for it::

    traced        its span, where the request's are recorded
      routed      error port, fallback
        cached    results shared by equal calls
          tried   attempts, each within its time, with pauses between them
            limited   at most so many at once
              stateful  the node's key held, its state opened
                checked   schemas of what enters and leaves
                  the method itself
"""

import copy
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, overload

from irc_runtime.attempts import ends_at, failed_at, tried
from irc_runtime.cache import CacheResult, CacheSpec, SingleFlightCache
from irc_runtime.context import Context
from irc_runtime.errors import (
    InvalidInputError,
    MissingContextError,
    NodeError,
    ValidationFailedError,
)
from irc_runtime.metrics import CACHE, HANDLED
from irc_runtime.node_spans import fallback_span, node_span, note_cache, note_handled
from irc_runtime.schema import Schema
from irc_runtime.state import State, StateSpec
from irc_runtime.time_limit import within

if TYPE_CHECKING:
    from irc_runtime.agent import Agent

#: A node's values by port. What a node was not given, or did not deliver, is not in the mapping.
Inputs: TypeAlias = Mapping[str, Any]
Outputs: TypeAlias = Mapping[str, Any]

#: The outputs of a node that did not run.
SKIPPED: Outputs = MappingProxyType({})

AnyAgent = TypeVar("AnyAgent", bound="Agent")
Body: TypeAlias = Callable[[AnyAgent, Inputs, Context], Coroutine[Any, Any, Outputs]]
StateBody: TypeAlias = Callable[[AnyAgent, Inputs, Context, State], Coroutine[Any, Any, Outputs]]
AnyBody: TypeAlias = Callable[..., Coroutine[Any, Any, Outputs]]
Execution: TypeAlias = Callable[[Any, Inputs, Context], Coroutine[Any, Any, Outputs]]


@dataclass(frozen=True, slots=True)
class Node:
    """The settings of a node, from its ``runtime`` and ``state`` blocks and its ports.

    Args:
        id: the node's id in the flow.
        line: line of the flow file at which the node stands.
        timeout_s: seconds for each attempt.
        attempts: attempts in all, at least 1.
        backoff_s: the first pause is between 0 and this, and each further bound twice the last.
        requires_context: context fields without which the node does not start.
        inputs: schemas by input port.
        outputs: schemas by output port.
        defaults: what output ports deliver where the method does not say them.
        error_port: the port that delivers a failure; None lets it travel on as NodeError.
        error_type: the form of what it delivers: ``object``; ``string`` or ``document``, the reason
            alone; ``array`` or ``table``, the object as the only item.
        error_schema: the schema of what it delivers; a failure that does not fit travels on.
        fallbacks: names of the methods that answer in the node's place; each is tried once, in
            this order, within the time of an attempt.
        fallback_on: the kinds of failure (timeout, error, validation_fail) they answer to.
        state: the state that the method takes as its third argument.
        concurrency: executions at once in one process.
        cache: keep results; ``cache_key`` gives what a result depends on.
    """

    id: str
    line: int = 0
    timeout_s: float = 30.0
    attempts: int = 1
    backoff_s: float = 1.0
    requires_context: tuple[str, ...] = ()
    inputs: Mapping[str, Schema] = field(default_factory=dict)
    outputs: Mapping[str, Schema] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    error_port: str | None = None
    error_type: str = "object"
    error_schema: Schema | None = None
    fallbacks: tuple[str, ...] = ()
    fallback_on: tuple[str, ...] = ()
    state: StateSpec | None = None
    concurrency: int | None = None
    cache: CacheSpec | None = None
    cache_key: Callable[[Inputs, Context], Any] | None = None


class NodeDecorator(Protocol):
    """Turns a method with or without state into one that takes inputs and context."""

    @overload
    def __call__(self, body: Body[AnyAgent], /) -> Body[AnyAgent]: ...

    @overload
    def __call__(self, body: StateBody[AnyAgent], /) -> Body[AnyAgent]: ...

    def __call__(self, body: Any, /) -> Any:
        """Wrap the method."""


def node(settings: Node) -> NodeDecorator:
    """Make a method a node; the result is called as ``await self.fetch(inputs, context)``."""

    def decorate(body: Any, /) -> Any:
        run: AnyBody = body
        if settings.inputs or settings.outputs or settings.defaults or settings.requires_context:
            run = _checked(settings, body)
        if settings.state is not None:
            run = _stateful(settings.state, run)
        if settings.concurrency is not None:
            run = _limited(settings.id, settings.concurrency, run)
        run = tried(settings, run)
        if settings.cache is not None and settings.cache_key is not None:
            run = _cached(settings, settings.cache, settings.cache_key, run)
        if settings.error_port is not None or settings.fallbacks:
            run = _routed(settings, run)
        run = _traced(settings, run)
        run.__name__ = body.__name__
        run.__qualname__ = body.__qualname__
        run.__doc__ = body.__doc__
        run.__module__ = body.__module__
        vars(run).update(settings=settings, body=body)
        return run

    return decorate


def by_port(result: Any, *ports: str, optional: Sequence[str] = ()) -> Outputs:
    """What a transform returned, by output port.

    An object that has any of the ports as a key is read by name; other keys are left aside. Without
    such a key, the whole value belongs to the only port. None delivers nothing.

    Args:
        result: what was returned.
        ports: the node's outputs.
        optional: those of them that may be left out.
    Raises:
        ValidationFailedError: an output is missing, or there are several and the result is not an
            object of them.
    """
    if isinstance(result, Mapping) and (len(ports) != 1 or ports[0] in result):
        values = {port: result[port] for port in ports if port in result}
    elif result is None:
        values = {}
    elif len(ports) == 1:
        values = {ports[0]: result}
    else:
        expected = ", ".join(ports) or "no outputs"
        raise ValidationFailedError(
            f"returned a {type(result).__name__}, not an object with {expected}"
        )
    missing = [port for port in ports if port not in values and port not in optional]
    if missing:
        raise ValidationFailedError(f"did not return the output '{missing[0]}'")
    return values


async def settled(result: Any) -> Any:
    """The result of a function of the flow's code that may be async or not."""
    return await result if inspect.isawaitable(result) else result


def _traced(settings: Node, body: Execution) -> Execution:
    """The span of each execution; not async itself, so that one that is not recorded costs a call."""

    async def recorded(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        with node_span(agent, settings):
            return await body(agent, inputs, context)

    def run(agent: Any, inputs: Inputs, context: Context) -> Coroutine[Any, Any, Outputs]:
        if context.traced:
            return recorded(agent, inputs, context)
        return body(agent, inputs, context)

    return run


def _stateful(spec: StateSpec, body: AnyBody) -> Execution:
    async def run(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        async with agent.states.open(spec, inputs, context) as state:
            return await body(agent, inputs, context, state)

    return run


def _checked(settings: Node, body: AnyBody) -> AnyBody:
    required, inputs_by_port, outputs_by_port = (
        settings.requires_context,
        tuple(settings.inputs.items()),
        tuple(settings.outputs.items()),
    )

    async def run(agent: Any, inputs: Inputs, context: Context, *state: State) -> Outputs:
        for name in required:
            if context.get(name) is None:
                raise MissingContextError(f"the context field '{name}' is missing")
        for port, schema in inputs_by_port:
            if port in inputs and (problem := schema.problem(inputs[port])):
                raise InvalidInputError(f"input '{port}' is not valid: {problem}")
        outputs = _completed(settings, await body(agent, inputs, context, *state))
        for port, schema in outputs_by_port:
            if port in outputs and (problem := schema.problem(outputs[port])):
                raise ValidationFailedError(f"output '{port}' is not valid: {problem}")
        return outputs

    return run


def _completed(settings: Node, outputs: Outputs) -> Outputs:
    """Outputs with the defaults of those that are missing."""
    missing = {
        port: copy.deepcopy(value)
        for port, value in settings.defaults.items()
        if port not in outputs
    }
    return {**outputs, **missing} if missing else outputs


def _limited(node_id: str, concurrency: int, body: Execution) -> Execution:
    async def run(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        async with agent.limit(node_id, concurrency):
            return await body(agent, inputs, context)

    return run


def _cached(
    settings: Node, spec: CacheSpec, key: Callable[[Inputs, Context], Any], body: Execution
) -> Execution:
    async def run(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        cache: SingleFlightCache = agent.cache(settings.id, spec)

        def call() -> Coroutine[Any, Any, Outputs]:
            return body(agent, inputs, context.without_deadline())

        def note(result: CacheResult, leader: Any) -> None:
            agent.metrics.nodes[settings.id][CACHE[result]] += 1
            if context.traced:
                note_cache(result, leader)

        try:
            return await within(context.deadline, cache.get(key(inputs, context), call, note))
        except TimeoutError as cause:  # its own time is over; others may go on waiting
            location = agent.location(settings.id)
            raise NodeError(
                settings.id, location, cause, fallback_available=bool(settings.fallbacks)
            ) from cause

    return run


def _routed(settings: Node, body: Execution) -> Execution:
    async def run(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        try:
            return await body(agent, inputs, context)
        except NodeError as error:
            agent.log(error, context, handled=True)
            failure = error
        for name in settings.fallbacks if failure.kind in settings.fallback_on else ():
            answer: Execution = getattr(type(agent), name)
            try:
                with fallback_span(settings.id):
                    outputs = await within(
                        ends_at(settings.timeout_s, context), answer(agent, inputs, context)
                    )
                    outputs = _completed(settings, outputs)
                _handled(agent, settings, "fallback")
                return outputs
            except Exception as cause:  # noqa: BLE001  # whatever it is, the fallback failed
                failure = NodeError(
                    settings.id,
                    failed_at(agent, settings, cause),
                    cause,
                    failure.attempts,
                    fallback_available=True,
                )
                failure.__cause__ = cause
        if settings.error_port is None:
            raise failure
        value = _failure_value(settings, failure)
        _handled(agent, settings, "error_port")
        return {settings.error_port: value}

    return run


def _handled(agent: Any, settings: Node, handler: str) -> None:
    """Count a failure that the flow went on from."""
    agent.metrics.nodes[settings.id][HANDLED[handler]] += 1
    note_handled(handler)


def _failure_value(settings: Node, failure: NodeError) -> Any:
    """A failure as the error port delivers it.

    Raises:
        NodeError: it does not fit the port's schema.
    """
    value: Any = failure.as_port()
    if settings.error_type in ("string", "document"):
        value = value["reason"]
    elif settings.error_type != "object":
        value = [value]
    if settings.error_schema is None or (problem := settings.error_schema.problem(value)) is None:
        return value
    cause = ValidationFailedError(f"error port '{settings.error_port}' is not valid: {problem}")
    raise NodeError(
        settings.id,
        failure.location,
        cause,
        failure.attempts,
        fallback_available=failure.fallback_available,
    ) from failure
