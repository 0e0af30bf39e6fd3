"""The attempts of a node: each within its time, with pauses between them, all of them counted."""

import asyncio
import random
from bisect import bisect_left
from time import perf_counter
from typing import TYPE_CHECKING, Any

from irc_runtime.context import Context
from irc_runtime.errors import NodeError, error_type, failure_kind, is_retryable, public_reason
from irc_runtime.events import WARNING, event
from irc_runtime.metrics import (
    BOUNDS_S,
    EXECUTIONS,
    FAILED_ATTEMPTS,
    FIRST_BOUND_S,
    SUM,
    observe,
)
from irc_runtime.node_spans import attempt_span
from irc_runtime.time_limit import within
from irc_runtime.tracebacks import flow_line, translate

if TYPE_CHECKING:
    from irc_runtime.node import Execution, Inputs, Node, Outputs

#: The longest pause between two attempts, in seconds.
MAX_PAUSE_S = 60.0


def tried(settings: "Node", body: "Execution") -> "Execution":
    """Execute in attempts; of those that fail, the last one's failure travels on as NodeError."""
    node_id, timeout_s, attempts = settings.id, settings.timeout_s, settings.attempts

    async def run(agent: Any, inputs: "Inputs", context: Context) -> "Outputs":
        row = agent.metrics.nodes[node_id]
        attempt = 1
        started = perf_counter()
        while True:
            try:
                if context.traced:
                    with attempt_span(node_id, attempt):
                        outputs = await within(
                            ends_at(timeout_s, context), body(agent, inputs, context)
                        )
                else:
                    outputs = await within(
                        ends_at(timeout_s, context), body(agent, inputs, context)
                    )
            except asyncio.CancelledError:
                observe(row, EXECUTIONS["cancelled"], perf_counter() - started)
                raise
            except Exception as cause:
                location = failed_at(agent, settings, cause)
                pause_s = _pause_s(settings, attempt, cause, context)
                row[FAILED_ATTEMPTS[failure_kind(cause)]] += 1
                if attempt == attempts or pause_s is None:
                    observe(row, EXECUTIONS[failure_kind(cause)], perf_counter() - started)
                    raise NodeError(
                        settings.id,
                        location,
                        cause,
                        attempt,
                        fallback_available=bool(settings.fallbacks),
                    ) from cause
                event(
                    WARNING,
                    "attempt_failed",
                    trace_id=context.trace_id,
                    node=settings.id,
                    location=location,
                    type=error_type(cause),
                    reason=public_reason(cause),
                    attempt=attempt,
                    pause_s=round(pause_s, 3),
                )
            else:  # what observe() does, without the call
                elapsed_s = perf_counter() - started
                row[0 if elapsed_s <= FIRST_BOUND_S else bisect_left(BOUNDS_S, elapsed_s)] += 1
                row[SUM] += elapsed_s
                return outputs
            try:
                await asyncio.sleep(pause_s)
            except asyncio.CancelledError:
                observe(row, EXECUTIONS["cancelled"], perf_counter() - started)
                raise
            attempt += 1

    return run


def failed_at(agent: Any, settings: "Node", cause: Exception) -> str:
    """The flow's line that failed, or where that is not known the node's; translates tracebacks."""
    translate(cause, agent.source)
    return flow_line(cause) or f"{agent.source}:{settings.line}"


def ends_at(timeout_s: float, context: Context) -> float:
    """The event loop's time at which an attempt ends: by its own limit, or by the request's deadline."""
    own = asyncio.get_running_loop().time() + timeout_s
    deadline = context.deadline
    return own if deadline is None or own < deadline else deadline


def _pause_s(settings: "Node", attempt: int, cause: Exception, context: Context) -> float | None:
    """Seconds until the next attempt; None where there should be none.

    Full jitter: anywhere between nothing and the bound, which doubles with each attempt. Where the
    other side named a time (Retry-After), it is waited for. A pause that would end past the
    request's deadline, or be longer than any of ours, is not begun.
    """
    if not is_retryable(cause):
        return None
    bound_s = min(settings.backoff_s * 2.0 ** (attempt - 1), MAX_PAUSE_S)
    pause_s = random.uniform(0.0, bound_s)
    asked_s = getattr(cause, "retry_after_s", None) or 0.0
    if asked_s > MAX_PAUSE_S:
        return None
    pause_s = max(pause_s, asked_s)
    if context.deadline is None:
        return pause_s
    ends = asyncio.get_running_loop().time() + pause_s
    return pause_s if ends < context.deadline else None
