"""Checks of single nodes: each runs one and compares what happens with what the flow says of it.

A node's code gives way to outcomes, except in ``check_own_work`` and where a completion or an
answer at the edge is given; its attempts, times, schemas, state and routes are real throughout.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.attempts import MAX_PAUSE_S
from irc_runtime.node import Outputs
from irc_runtime.node_facts import NodeFacts
from irc_runtime.runs import Call, NodeResult, run_calls, run_node
from irc_runtime.stubs import MockedError, Outcome, Outcomes

AgentType = type[Agent]
Fields = Mapping[str, Any]

#: Outcomes of each kind of failure that a second attempt can mend.
FAILURES: Mapping[str, Outcome] = {
    "error": {"error": "unreachable"},
    "timeout": {"error": {"type": "timeout"}},
    "validation_fail": {"error": {"type": "validation_fail"}},
}


def check_own_work(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """What the node itself gives and what it asks of its edge, for the sample inputs."""
    outcome: dict[str, Any] = {}
    if node.completion is not None:
        outcome["completion"] = node.completion
    if node.method is not None:
        outcome["answer"] = node.answer
    result = _run(agent, context, node, outcome)
    _equal(result.error, None, f"{node}: its failure")
    _equal(result.outputs, node.outputs, f"{node}: its outputs")
    _equal(len(result.uses), node.completion is not None or node.method is not None, "uses")
    for use in result.uses:
        _equal(use.method, node.method or "ask", f"{node}: its use of the edge")
        for name, value in node.arguments.items():
            _equal(use.arguments.get(name), value, f"{node}: '{name}' at the edge")
        if node.model is not None:
            _equal(use.arguments["model"], node.model, f"{node}: the model that is asked")
            prompt = "\n".join(message.text for message in use.arguments["messages"])
            for text in node.prompt_holds:
                assert text in prompt, f"{node}: '{text}' is not in the prompt:\n{prompt}"


def check_timeout(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """An attempt ends when its time is over, and not before."""
    assert node.timeout_ms is not None
    just_in_time = {"outputs": node.outputs, "delay_ms": node.timeout_ms - 0.5}
    result = _run(agent, context, node, just_in_time)
    _equal(result.error, None, f"{node}: its failure within the time")
    _equal(result.outputs, node.outputs, f"{node}: its outputs within the time")
    late = {"outputs": node.outputs, "delay_ms": node.timeout_ms + 0.5}
    _check_failure(agent, context, node, late, "timeout", node.attempts)


def check_attempts(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """All attempts are made, with pauses that double; the first that succeeds is the last."""
    result = _check_failure(agent, context, node, FAILURES["error"], "error", node.attempts)
    bounds_s = [
        min(node.backoff_ms / 1000 * 2.0**index, MAX_PAUSE_S) for index in range(node.attempts - 1)
    ]
    delays_s = result.delays_s[: len(bounds_s)]
    same = all(abs(one - two) < 1e-4 for one, two in zip(delays_s, bounds_s, strict=True))
    assert same, f"{node}: pauses of up to {bounds_s} s, got {delays_s}"
    result = _run(agent, context, node, [FAILURES["error"], {"outputs": node.outputs}])
    _equal(result.outputs, node.outputs, f"{node}: its outputs at the second attempt")
    _equal(result.attempts, 2, f"{node}: attempts until it succeeds")


def check_no_second_attempt(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """What cannot succeed on a second try is not tried again."""
    for kind in ("invalid_input", "row_not_found"):
        _check_failure(agent, context, node, {"error": {"type": kind}}, kind, 1)


def check_fallback(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """The fallback answers to its kinds of failure, and to no others."""
    for kind, failure in FAILURES.items():
        _check_failure(agent, context, node, failure, kind, node.attempts)
    if node.fallback_model is not None and node.fallback is not None:
        outcome = FAILURES[node.fallback_on[0]]
        result = _run(agent, context, node, [outcome] * node.attempts + [FAILURES["error"]])
        _equal(result.outputs, node.fallback, f"{node}: the response when the other model fails")


def check_invalid_inputs(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """An input that its schema refuses fails the node, which does not start."""
    for port, value in node.invalid_inputs.items():
        inputs = {**node.inputs, port: value}
        result = run_node(
            agent, node.id, inputs, {**context, **node.context}, {"outputs": node.outputs}
        )
        _expect_failure(node, result, "invalid_input", 1)


def check_invalid_outputs(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """An output or a model's answer that its schema refuses is a failure of the attempt."""
    for port, value in node.invalid_outputs.items():
        outcome: Outcome = {"outputs": {**node.outputs, port: value}}
        _check_failure(agent, context, node, outcome, "validation_fail", node.attempts)
    if node.invalid_completion is not None:
        outcome = {"completion": node.invalid_completion}
        _check_failure(agent, context, node, outcome, "validation_fail", node.attempts, questions=2)


def check_missing_context(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """Without a context field that it requires, the node does not start."""
    for name in node.requires:
        fields = {key: value for key, value in {**context, **node.context}.items() if key != name}
        result = run_node(agent, node.id, node.inputs, fields, {"outputs": node.outputs})
        _expect_failure(node, result, "missing_context", 1)


def check_missing_row(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """A key without a row: no outputs where they are optional, else an error that is final."""
    result = _run(agent, context, node, {"answer": None})
    if node.row_optional:
        _equal((result.outputs, result.error), (node.defaults, None), f"{node}: without a row")
    else:
        _expect_failure(node, result, "row_not_found", 1)


def check_defaults(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """An output for which the node says nothing is its default."""
    said = {port: value for port, value in node.outputs.items() if port not in node.defaults}
    result = _run(agent, context, node, {"outputs": said})
    _equal(result.outputs, {**said, **node.defaults}, f"{node}: its outputs with defaults")


def check_state(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """What is set is there for the same key, and neither after a failure nor for another key."""
    assert node.state is not None
    found: list[Any] = []

    async def count(inputs: Any, context: Any, state: Any) -> Outputs:
        seen = await state.get("count", 0)
        found.append(seen)
        await state.set("count", seen + 1)
        return node.outputs

    async def count_and_fail(inputs: Any, context: Any, state: Any) -> Outputs:
        await count(inputs, context, state)
        raise MockedError("mocked failure", "error", retryable=False)

    ttl_s = node.state.ttl_s
    step_s = 1.0 if ttl_s is None else min(1.0, ttl_s / 8)
    here = Call(node.inputs, {**context, **node.context}, request=0)
    again = Call(here.inputs, here.context, step_s, request=0)
    later = Call(here.inputs, here.context, 2 * step_s, request=1)
    other_inputs, other_fields = dict(here.inputs), dict(here.context)
    for name in node.state.key_fields:
        if name in other_inputs:
            other_inputs[name] = node.other_inputs.get(name, other_inputs[name])
        else:
            other_fields[name] = f"another {name}"
    elsewhere = Call(other_inputs, other_fields, 3 * step_s, request=2)
    calls, expected = [here, again, later], [0, 1, 2]
    if node.state.scope == "request":
        expected = [0, 1, 0]
    elif (other_inputs, other_fields) != (here.inputs, here.context):
        calls, expected = [*calls, elsewhere], [*expected, 0]
    if node.state.scope == "session" and ttl_s is not None:
        kept_s = 2 * step_s + ttl_s - min(0.5, ttl_s / 4)  # each write begins the time anew
        gone_s = kept_s + ttl_s + 0.001
        calls += [Call(here.inputs, here.context, at_s) for at_s in (kept_s, gone_s)]
        expected += [3, 0]
    run_calls(agent, node.id, calls, {"act": count})
    _equal(found, expected, f"{node}: what its state held at each call")
    found.clear()
    run_calls(agent, node.id, [here, again], [{"act": count_and_fail}, {"act": count}])
    _equal(found, [0, 0], f"{node}: what its state held after a failure")


def check_concurrency(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """As many executions run at once as the flow allows, and no more."""
    assert node.concurrency is not None
    calls = [
        Call(node.inputs, {**context, **node.context, "session_id": f"s{index}"})
        for index in range(node.concurrency + 1)
    ]
    slow = {"outputs": node.outputs, "delay_ms": 1}
    result = run_calls(agent, node.id, calls, slow)
    _equal(result.most_at_once, node.concurrency, f"{node}: executions at once")


def check_cache(agent: AgentType, context: Fields, node: NodeFacts) -> None:
    """Equal calls share a result while it stands; calls that differ in what is read do not."""
    assert node.cache_s is not None
    here = Call(node.inputs, {**context, **node.context})
    outcome = {"outputs": node.outputs, "delay_ms": 1}
    almost = Call(here.inputs, here.context, node.cache_s * 0.9)
    over = Call(here.inputs, here.context, node.cache_s * 1.1 + 0.001)
    result = run_calls(agent, node.id, [here, here, almost], outcome)
    _equal(len(result.started_s), 1, f"{node}: executions of equal calls")
    _equal(result.results, (node.outputs,) * 3, f"{node}: outputs of equal calls")
    result = run_calls(agent, node.id, [here, over], outcome)
    _equal(len(result.started_s), 2, f"{node}: executions when the result has expired")
    others = [
        *(Call({**here.inputs, port: value}, here.context) for port, value in node.other_inputs.items()),
        *(Call(here.inputs, {**here.context, **_another(name)}) for name in node.reads),
    ]  # fmt: skip
    result = run_calls(agent, node.id, [here, *others], outcome)
    _equal(len(result.started_s), 1 + len(others), f"{node}: executions of calls that differ")


def _another(field: str) -> dict[str, Any]:
    """Another value of a context field."""
    return {field: "2024-02-02T00:00:00Z" if field == "event_time" else f"another {field}"}


def _run(agent: AgentType, context: Fields, node: NodeFacts, outcomes: Outcomes) -> NodeResult:
    return run_node(agent, node.id, node.inputs, {**context, **node.context}, outcomes)


def _check_failure(
    agent: AgentType,
    context: Fields,
    node: NodeFacts,
    outcome: Outcome,
    type: str,
    attempts: int,
    questions: int = 1,
) -> NodeResult:
    """Let every attempt end in the same way, and compare what is left with what should be.

    Args:
        questions: what an attempt asks the model; twice where it refuses an answer.
    """
    outcomes: Sequence[Outcome] = [outcome] * (attempts * questions)
    if node.fallback_model is not None:
        outcomes = [*outcomes, {"completion": node.completion}]
    result = _run(agent, context, node, outcomes)
    _expect_failure(node, result, type, attempts)
    return result


def _expect_failure(node: NodeFacts, result: NodeResult, type: str, attempts: int) -> None:
    """After the last attempt there is the fallback's answer, the error port's value or the error."""
    _equal(result.attempts, attempts, f"{node}: attempts before '{type}'")
    kind = type if type in ("timeout", "validation_fail") else "error"
    if kind in node.fallback_on:
        _equal(result.error, None, f"{node}: its failure, in spite of its fallback")
        if node.fallback_model is not None:
            asked = [use.arguments["model"] for use in result.uses if use.method == "ask"]
            _equal(asked[-1:], [node.fallback_model], f"{node}: the fallback's model")
            _equal(result.outputs, node.outputs, f"{node}: the other model's answer")
        else:
            _equal(result.outputs, node.fallback, f"{node}: the static response")
        return
    facts = {
        "type": type,
        "node": node.id,
        "attempts": attempts,
        "fallback_available": bool(node.fallback_on),
    }
    if node.error_port is None:
        assert result.error is not None, f"{node}: '{type}' is not raised, got {result.outputs}"
        error = result.error
        told = {name: getattr(error, name) for name in facts}
    else:
        _equal(list(result.outputs), [node.error_port], f"{node}: outputs after '{type}'")
        told = result.outputs[node.error_port]
        if node.error_type in ("string", "document"):
            assert told and isinstance(told, str), f"{node}: the error port gives no reason"
            return
        told = dict(told if node.error_type == "object" else told[0])
        assert isinstance(told.pop("reason", None), str), f"{node}: the error port gives no reason"
    _equal(told, facts, f"{node}: what is told of '{type}'")


def _equal(got: Any, expected: Any, what: str) -> None:
    assert got == expected, f"{what}: expected {_text(expected)}, got {_text(got)}"


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)
