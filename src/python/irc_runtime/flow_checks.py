"""Checks of whole requests, in which every node gives its sample outputs.

Edges, conditions, branches, the order of nodes and the ways of failures are real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.node_facts import NodeFacts
from irc_runtime.runs import CaseResult, run_case

AgentType = type[Agent]
Fields = Mapping[str, Any]
#: By node its outputs.
Samples = Mapping[str, Fields]
#: By node and input, where values come from: ``request.<field>`` or ``node.port``, then perhaps
#: ``-> expression`` and ``if condition``; or ``default``, which is not known here.
Edges = Mapping[str, Mapping[str, Sequence[str]]]

#: Stands for a response that is not known.
UNTOLD: Any = object()


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """A request, and what comes of it.

    Attributes:
        name: what is different in it.
        request: fields other than the sample request's.
        outputs: outputs other than the samples, by node.
        failed: a node that cannot be reached.
        ran: nodes that run.
        skipped: nodes that do not.
        received: by node, inputs whose values change on the way.
        output: the response.
        reasons: what the error says where there is no response: the conditions that failed.
    """

    name: str
    request: Fields = field(default_factory=dict)
    outputs: Samples = field(default_factory=dict)
    failed: str | None = None
    ran: Sequence[str] = ()
    skipped: Sequence[str] = ()
    received: Samples = field(default_factory=dict)
    output: Any = UNTOLD
    reasons: Sequence[str] | None = None

    def __str__(self) -> str:
        return self.name


def check_branch(
    agent: AgentType, request: Fields, samples: Samples, edges: Edges, branch: BranchFacts
) -> None:
    """Which nodes run, what each receives, and what the response is."""
    request = {**request, **branch.request}
    samples = {**samples, **branch.outputs}
    mocks: dict[str, Any] = {node: {"outputs": outputs} for node, outputs in samples.items()}
    if branch.failed is not None:
        mocks[branch.failed] = {"error": "unreachable"}
    case = run_case(agent, request, mocks)
    if branch.reasons is None:
        assert case.status == 200, f"status {case.status}: {case.error}"
    elif not hasattr(agent, "handle_error"):
        assert case.status == 500, f"a response, though nothing is delivered: {case.output}"
        for reason in branch.reasons:
            assert reason in str(case.error), f"'{reason}' is not in '{case.error}'"
    assert case.ran >= set(branch.ran), f"skipped: {sorted(set(branch.ran) - case.ran)}"
    skipped = set(branch.skipped) & case.ran
    assert not skipped or branch.reasons is not None, f"not skipped: {sorted(skipped)}"
    _check_received(case, request, samples, edges, branch.failed)
    for node, inputs in branch.received.items():
        got = {port: case.received[node].get(port, UNTOLD) for port in inputs}
        assert got == inputs, f"'{node}' receives {got}, expected {inputs}"
    if branch.output is not UNTOLD:
        assert case.output == branch.output, f"response {case.output}, expected {branch.output}"


def _check_received(
    case: CaseResult, request: Fields, samples: Samples, edges: Edges, failed: str | None
) -> None:
    """What edges carry without changing it arrives as it is."""
    for node, ports in edges.items():
        for port, sources in ports.items():
            if port not in case.received.get(node, {}):
                continue
            values = [_at(source, request, samples, failed) for source in sources]
            if UNTOLD not in values:
                value = case.received[node][port]
                assert value in values, f"'{node}.{port}' is {value}, from {', '.join(sources)}"


def _at(source: str, request: Fields, samples: Samples, failed: str | None) -> Any:
    """The value at the start of an edge; UNTOLD where it changes on the way."""
    name, _, rest = source.partition(" ")
    node, _, port = name.partition(".")
    if rest.startswith("->") or node == failed:
        return UNTOLD
    values = request if node == "request" else samples.get(node, {})
    return values.get(port, UNTOLD)


def check_order(
    agent: AgentType, request: Fields, samples: Samples, edges: Edges, nodes: Sequence[NodeFacts]
) -> None:
    """A node starts when the last of its inputs is there, and waits for nothing else."""
    delays_s = {
        node.id: min(0.01 * (1 + index % 3), (node.timeout_ms or 2) / 2000)
        for index, node in enumerate(nodes)
    }
    mocks = {
        node: {"outputs": outputs, "delay_ms": delays_s[node] * 1000}
        for node, outputs in samples.items()
    }
    case = run_case(agent, request, mocks)
    ready: dict[str, float] = {}

    def ready_s(node: str) -> float:
        if node not in ready:
            sources = {
                source.split(" ")[0].partition(".")[0]
                for ports in edges.get(node, {}).values()
                for source in ports
            }
            begin = max(
                (ready_s(source) for source in sources - {"request", "default"}), default=0.0
            )
            if node in case.started_s:
                started = case.started_s[node]
                assert abs(started - begin) < 1e-6, f"'{node}' starts at {started} s, not {begin}"
                begin += delays_s[node]
            ready[node] = begin
        return ready[node]

    for node in edges:
        ready_s(node)


def check_deadline(agent: AgentType, request: Fields, samples: Samples) -> None:
    """A request whose nodes take too long ends when its time is over."""
    mocks = {node: {"outputs": outputs, "delay_ms": 60_000} for node, outputs in samples.items()}
    case = run_case(agent, request, mocks, deadline_ms=5)
    assert case.elapsed_s < 0.006, f"the request took {case.elapsed_s} s of 0.005 s"


def check_unhandled(
    agent: AgentType,
    request: Fields,
    samples: Samples,
    failed: str,
    handler: str | None = None,
    handler_input: str | None = None,
) -> None:
    """A failure that no edge takes goes to the handler, or else to the caller."""
    mocks: dict[str, Any] = {node: {"outputs": outputs} for node, outputs in samples.items()}
    mocks[failed] = {"error": "unreachable"}
    case = run_case(agent, request, mocks)
    if handler is None:
        assert case.status == 500, f"status {case.status}, though '{failed}' fails"
        assert f"'{failed}' failed" in str(case.error), str(case.error)
        return
    assert case.status == 200, f"status {case.status}: {case.error}"
    assert handler in case.ran, f"'{handler}' does not take the failure of '{failed}'"
    if handler_input is not None:
        error = case.received[handler][handler_input]
        told = {name: error.get(name) for name in ("reason", "type", "node")}
        facts = {"reason": "unreachable", "type": "error", "node": failed}
        assert told == facts, f"'{handler}' is told {told}, expected {facts}"
