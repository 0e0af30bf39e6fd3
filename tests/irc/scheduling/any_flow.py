"""Random flows: conditions, merges, error ports, fallbacks, optional values, caches, limits, effects."""

from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from tests.irc.scheduling.behaviour import FALLBACK, TIMEOUT_MS, Behaviour
from tests.irc.scheduling.interpreter import CONDITIONS

CODE = {"mode": "code", "spec": "async def transform(inputs, context, state):\n    return {}\n"}


@dataclass(frozen=True)
class AnyFlow:
    """A flow as data, what its nodes do, and whether they differ in when they end."""

    flow: dict[str, Any]
    behaviours: dict[str, Behaviour]


@st.composite
def any_flow(draw: st.DrawFn) -> AnyFlow:
    """A flow of up to eight nodes, in an order in which each reads some of those before it."""
    names = [f"n{'x' * number}" for number in range(draw(st.sampled_from([3, 4, 5, 6, 8, 2, 1])))]
    nodes: dict[str, Any] = {}
    edges: list[dict[str, str]] = []
    behaviours: dict[str, Behaviour] = {}
    for number, name in enumerate(names):
        ports = [f"in_{place}" for place in range(draw(st.sampled_from([1, 1, 2, 2, 3])))]
        node, behaviours[name] = draw(_node(name))
        for port in ports:
            declared: dict[str, Any] = {"name": port, "type": "object"}
            kind = draw(st.sampled_from(["required"] * 4 + ["optional", "default"]))
            if kind == "default":
                declared["default"] = {"n": 1, "of": "default"}
            elif kind == "optional":
                declared["optional"] = True
            node["inputs"].append(declared)
            into = draw(_edges(names[:number], f"{name}.{port}"))
            if len(into) > 1 and draw(st.booleans()):
                declared["default"] = {"n": 1, "of": "default"}
            edges += into
        nodes[name] = node
    read = {edge["from"].partition(".")[0] for edge in edges}
    for number, name in enumerate(names):
        if name not in read and (name == names[-1] or draw(st.integers(0, 3)) > 0):
            edge = {"from": f"{name}.out", "to": f"_output.out_{number}"}
            if draw(st.integers(0, 3)) == 0:
                edge["condition"] = draw(st.sampled_from([*CONDITIONS]))
            edges.append(edge)
    if len(names) > 1 and draw(st.integers(0, 2)) == 0:
        edges += draw(_edges(names, "_output.merged", most=2))
    for name in names:
        if any(edge["from"] == f"{name}.error" for edge in edges):
            nodes[name]["error"] = {"name": "error"}
    flow = {
        "version": "1.0",
        "metadata": {"name": "any"},
        "context": {"requires": ["query"], "optional": ["more"]},
        "nodes": nodes,
        "edges": edges,
    }
    return AnyFlow(flow, behaviours)


@st.composite
def _node(draw: st.DrawFn, name: str) -> tuple[dict[str, Any], Behaviour]:
    attempts = draw(st.sampled_from([1, 1, 2]))
    runtime: dict[str, Any] = {"timeout_ms": TIMEOUT_MS}
    if attempts > 1:
        runtime |= {"retries": attempts, "retry_backoff_ms": 10}
    how: Literal["errs", "refuses", "hangs"] = draw(st.sampled_from(["errs", "refuses", "hangs"]))
    if how != "hangs" and draw(st.integers(0, 2)) == 0:
        runtime["concurrency"] = 1  # the wait for one that hangs would be part of others' time
    node: dict[str, Any] = {"inputs": [], "outputs": [{"name": "out", "type": "object"}]}
    kind = draw(st.sampled_from(["code"] * 4 + ["prompt", "cached", "effect"]))
    if kind == "prompt":
        node["prompt"] = {
            "template": "Say.",
            "model": {"provider": "openai", "name": "m"},
            "output_schema": {"type": "object"},
            "fallback": {"on": ["error", "timeout"], "static_response": FALLBACK},
        }
    else:
        node["transform"] = CODE
    if kind == "cached":
        runtime["cache"] = {"ttl_seconds": 60}
    if kind == "effect":
        node["state"] = {"scope": "request"}
    omits: Literal["never", "even"]
    omits = "even" if kind == "code" and draw(st.integers(0, 4)) == 0 else "never"
    if omits == "even":
        node["outputs"][0]["optional"] = True
    behaviour = Behaviour(
        name,
        attempts,
        delay_ms=draw(st.sampled_from([None, 0, 0, 5, 20, 100])),
        fails=draw(st.sampled_from(["never"] * 9 + ["once", "odd", "always"])),
        how=how,
        omits=omits,
        has_fallback=kind == "prompt",
    )
    return {**node, "runtime": runtime}, behaviour


@st.composite
def _edges(draw: st.DrawFn, before: list[str], to: str, most: int = 0) -> list[dict[str, str]]:
    """The edges to one place; of several, each has a condition or a failure of its own."""
    count = most or draw(st.sampled_from([1, 1, 1, 2]))
    found: list[dict[str, str]] = []
    for _ in range(count):
        source = draw(st.sampled_from(["_input.query"] * 3 + ["_input.more"] + before * 4))
        fails = not source.startswith("_") and draw(st.integers(0, 7)) == 0
        port = ".error" if fails else "" if source.startswith("_") else ".out"
        edge = {"from": source + port, "to": to}
        if not fails and (count > 1 or draw(st.integers(0, 6)) == 0):
            edge["condition"] = draw(st.sampled_from([*CONDITIONS]))
        if edge not in found:
            found.append(edge)
    return found
