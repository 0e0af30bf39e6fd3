"""Running a flow's tests: whole requests and single nodes, in virtual time, with nothing outside.

Generated tests are plain functions over ``run_case`` and ``run_node``; tests written by hand can
use the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import AgentError, NodeError
from irc_runtime.node import Inputs, Outputs
from irc_runtime.stubs import Outcomes, Script, UnmockedEdgeError, script_of, scripted_agent
from irc_runtime.virtual_time import run_virtually

__all__ = ["CaseResult", "NodeResult", "UnmockedEdgeError", "run_case", "run_node"]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a request.

    Attributes:
        status: the HTTP status that the caller would get.
        output: the response; None where the request failed.
        error: the failure in full; None where there was none, or the flow took care of it.
        ran: nodes whose code was started, those that failed included.
        skipped: all other nodes.
    """

    status: int
    output: Any
    error: str | None
    ran: frozenset[str]
    skipped: frozenset[str]


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What came of a node.

    Attributes:
        outputs: by port, its error port included; empty where the node failed without one.
        error: the failure that the node raised.
        attempts: attempts made.
        delays_s: seconds between the end of each attempt and the start of the next.
    """

    outputs: Outputs
    error: NodeError | None
    attempts: int
    delays_s: tuple[float, ...]


def run_case(
    agent_type: type[Agent], request: Mapping[str, Any], mocks: Mapping[str, Outcomes]
) -> CaseResult:
    """Send a request to an agent.

    Args:
        agent_type: the generated class.
        request: the request's fields.
        mocks: by node id an outcome, or a list with one for each attempt: ``{"outputs": {…}}``,
            ``{"error": text}`` or ``{"error": {"type": …, "reason": …}}``, ``{"delay_ms": n}``, or
            for a prompt node ``{"completion": text}``. A delay goes with any of them; alone, the
            node's own code runs after it. The last outcome of a list stands for all that follow.
    Raises:
        UnmockedEdgeError: a node without a mock uses a model, a feature store or a web service.
        ValueError: the mocks do not fit the agent.
    """
    script = script_of(mocks)
    return run_virtually(_run_case(agent_type, request, script))


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
    return run_virtually(_run_node(agent_type, node_id, inputs, context, script))


async def _run_case(
    agent_type: type[Agent], request: Mapping[str, Any], script: Script
) -> CaseResult:
    agent = scripted_agent(agent_type, script)
    status, output, message = 200, None, None
    try:
        output = await agent.predict(request)
    except AgentError as error:
        status, message = error.status, str(error)
    finally:
        await agent.close()
    script.check()
    ran = frozenset(script.started)
    return CaseResult(status, output, message, ran, frozenset(agent.nodes) - ran)


async def _run_node(
    agent_type: type[Agent],
    node_id: str,
    inputs: Inputs,
    context: Mapping[str, Any],
    script: Script,
) -> NodeResult:
    agent = scripted_agent(agent_type, script)
    outputs: Outputs = {}
    failure = None
    try:
        method = agent.nodes[node_id]
        outputs = await method(agent, inputs, Context(context, optional=agent.optional))
    except NodeError as error:
        failure = error
    finally:
        await agent.close()
    script.check()
    started, ended = script.started[node_id], script.ended[node_id]
    delays_s = tuple(begin - end for end, begin in zip(ended, started[1:], strict=False))
    return NodeResult(outputs, failure, max(1, len(started)), delays_s)
