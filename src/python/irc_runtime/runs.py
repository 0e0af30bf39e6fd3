"""Running whole requests and single nodes, in virtual time, with nothing outside."""

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import orjson

from irc_runtime.agent import DEADLINE_HEADER, Agent
from irc_runtime.context import Context
from irc_runtime.errors import AgentError, NodeError
from irc_runtime.node import Inputs, Outputs
from irc_runtime.stubs import EdgeUse, Outcomes, Script, script_of, scripted_agent
from irc_runtime.tracebacks import flow_line
from irc_runtime.virtual_time import run_virtually


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a request.

    Attributes:
        status: the HTTP status that the caller would get.
        output: the response as JSON, which makes lists of tuples; None where the request failed.
        error: the failure in full; None where there was none, or the flow took care of it.
        ran: nodes whose code was started, those that failed included.
        skipped: all other nodes.
        received: by node that ran, the inputs of its first attempt.
        kept: by node with state that ran well, the names that its state holds.
        started_s: by node that ran, when its first attempt began, in seconds from the start.
        elapsed_s: seconds that the request took.
    """

    status: int
    output: Any
    error: str | None
    ran: frozenset[str]
    skipped: frozenset[str]
    received: Mapping[str, Inputs]
    kept: Mapping[str, frozenset[str]]
    started_s: Mapping[str, float]
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What came of a node.

    Attributes:
        outputs: by port, its error port included; empty where the node failed without one.
        error: the failure that the node raised.
        attempts: attempts made.
        delays_s: seconds between the end of each attempt and the start of the next.
        uses: what went over the edges to models, features and web services, in order.
    """

    outputs: Outputs
    error: NodeError | None
    attempts: int
    delays_s: tuple[float, ...]
    uses: tuple[EdgeUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One execution of a node.

    Attributes:
        inputs: by port.
        context: request fields.
        at_s: when it begins; calls of the same time begin together.
        request: calls of the same number belong to one request and share its context.
    """

    inputs: Inputs
    context: Mapping[str, Any]
    at_s: float = 0.0
    request: int | None = None


@dataclass(frozen=True, slots=True)
class CallsResult:
    """What came of several executions of a node.

    Attributes:
        results: outputs, or the error that was raised, in the order of the calls.
        started_s: when attempts began.
        most_at_once: how many attempts there were at the same time.
    """

    results: tuple[Outputs | NodeError, ...]
    started_s: tuple[float, ...]
    most_at_once: int


def run_case(
    agent_type: type[Agent],
    request: Mapping[str, Any],
    mocks: Mapping[str, Outcomes],
    deadline_ms: int | None = None,
) -> CaseResult:
    """Send a request to an agent; where its own code fails, the traceback goes to standard error.

    Args:
        agent_type: the generated class.
        request: the request's fields.
        mocks: by node id an outcome, or a list with one for each attempt: ``{"outputs": {…}}``,
            ``{"error": text}`` or ``{"error": {"type": …, "reason": …}}``, ``{"delay_ms": n}``, or
            for a prompt node ``{"completion": text}``. A delay goes with any of them; alone, the
            node's own code runs after it. The last outcome of a list stands for all that follow.
        deadline_ms: what the request may take, as a proxy in front of the agent says it.
    Raises:
        UnmockedEdgeError: a node without a mock uses a model, a feature store or a web service.
        ValueError: the mocks do not fit the agent.
    """
    script = script_of(mocks)
    headers = None if deadline_ms is None else {DEADLINE_HEADER: str(deadline_ms)}
    return run_virtually(_run_case(agent_type, request, script, headers))


def run_node(
    agent_type: type[Agent],
    node_id: str,
    inputs: Inputs,
    context: Mapping[str, Any],
    outcomes: Outcomes,
) -> NodeResult:
    """Run one node: its code gives way to outcomes, all that happens around it is real.

    Args:
        agent_type: the generated class.
        node_id: the node's id in the flow.
        inputs: by port.
        context: request fields.
        outcomes: as a node's mock in ``run_case``.
    Raises:
        UnmockedEdgeError: the outcomes leave the node to its own code, and that uses an edge.
    """
    script = script_of({node_id: outcomes})
    call = Call(inputs, context)
    # Pauses are as long as they may be, rather than anything up to that.
    with patch("irc_runtime.attempts.random.uniform", lambda low, high: high):
        (result,) = run_virtually(_run_calls(agent_type, node_id, [call], script))
    started, ended = script.started[node_id], script.ended[node_id]
    delays_s = tuple(begin - end for end, begin in zip(ended, started[1:], strict=False))
    outputs, error = ({}, result) if isinstance(result, NodeError) else (result, None)
    return NodeResult(outputs, error, max(1, len(started)), delays_s, tuple(script.uses))


def run_calls(
    agent_type: type[Agent], node_id: str, calls: Sequence[Call], outcomes: Outcomes
) -> CallsResult:
    """Run one node several times in one agent.

    Args:
        outcomes: as for ``run_node``, for all attempts of all calls in the order in which they
            begin.
    """
    script = script_of({node_id: outcomes})
    results = run_virtually(_run_calls(agent_type, node_id, calls, script))
    started, ended = script.started[node_id], script.ended[node_id]
    # At an instant at which one ends and another begins, they are not there at once.
    changes = sorted([*((at, 1) for at in started), *((at, -1) for at in ended)])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return CallsResult(results, tuple(started), most)


async def _run_case(
    agent_type: type[Agent],
    request: Mapping[str, Any],
    script: Script,
    headers: Mapping[str, str] | None,
) -> CaseResult:
    agent = scripted_agent(agent_type, script)
    loop = asyncio.get_running_loop()
    began = loop.time()
    status, output, message = 200, None, None
    try:
        output = _as_received(await agent.predict(request, headers))
    except AgentError as error:
        status, message = error.status, str(error)
        if flow_line(error) is not None:  # pytest shows it where the test fails
            traceback.print_exception(error.__cause__)
    except orjson.JSONEncodeError as error:
        status, message = 500, f"the response is not JSON: {error}"
    finally:
        elapsed_s = loop.time() - began
        await agent.close()
    script.check()
    ran = frozenset(script.started)
    return CaseResult(
        status,
        output,
        message,
        ran,
        frozenset(agent.nodes) - ran,
        received={node: attempts[0] for node, attempts in script.received.items()},
        kept=script.kept,
        started_s={node: attempts[0] - began for node, attempts in script.started.items()},
        elapsed_s=elapsed_s,
    )


def _as_received(output: Any) -> Any:
    """The response as its caller reads it, after the conversion that KServe's server makes."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return orjson.loads(orjson.dumps(output, option=options))


async def _run_calls(
    agent_type: type[Agent], node_id: str, calls: Sequence[Call], script: Script
) -> tuple[Outputs | NodeError, ...]:
    agent = scripted_agent(agent_type, script)
    method = agent.nodes[node_id]
    contexts: dict[int | None, Context] = {}

    async def run(call: Call) -> Outputs | NodeError:
        await asyncio.sleep(call.at_s)
        context = contexts.get(call.request) or Context(call.context, optional=agent.optional)
        if call.request is not None:
            contexts[call.request] = context
        try:
            return await method(agent, call.inputs, context)
        except NodeError as error:
            return error

    try:
        results = await asyncio.gather(*(run(call) for call in calls))
    finally:
        await agent.close()
    script.check()
    return tuple(results)
