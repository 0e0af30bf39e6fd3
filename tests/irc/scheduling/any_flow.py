"""Random flows: conditions, merges, error ports, fallbacks, optional values, caches, limits, effects."""

from dataclasses import dataclass
from typing import Any

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
    names = [f"n{'x' * number}" for number in range(draw(st.integers(1, 8)))]
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
            for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
                edges.append(draw(_edge(nodes, names[:number], f"{name}.{port}")))
        nodes[name] = node
    read = {edge["from"].partition(".")[0] for edge in edges}
    ends = [name for name in names if name not in read]
    merged = draw(st.booleans())
    for number, name in enumerate(ends):
        if name != names[-1] and draw(st.booleans()):
            continue
        edge = {"from": f"{name}.out", "to": f"_output.{'all' if merged else f'out_{number}'}"}
        if draw(st.booleans()):
            edge["condition"] = draw(st.sampled_from([*CONDITIONS]))
        edges.append(edge)
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
    if draw(st.integers(0, 3)) == 0:
        runtime["concurrency"] = 1
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
    omits = "even" if kind == "code" and draw(st.integers(0, 4)) == 0 else "never"
    if omits == "even":
        node["outputs"][0]["optional"] = True
    behaviour = Behaviour(
        name,
        attempts,
        delay_ms=draw(st.sampled_from([None, 0, 0, 5, 20, 100])),
        fails=draw(st.sampled_from(["never"] * 5 + ["once", "odd", "always"])),
        how=draw(st.sampled_from(["errs", "refuses", "hangs"])),
        omits=omits,
        has_fallback=kind == "prompt",
    )
    return {**node, "runtime": runtime}, behaviour


@st.composite
def _edge(draw: st.DrawFn, nodes: dict[str, Any], before: list[str], to: str) -> dict[str, str]:
    source = draw(st.sampled_from(["_input.query", "_input.more", *before, *before]))
    if source.startswith("_"):
        edge = {"from": source, "to": to}
    elif draw(st.integers(0, 3)) == 0:
        return {"from": f"{source}.error", "to": to}
    else:
        edge = {"from": f"{source}.out", "to": to}
    if draw(st.integers(0, 2)) == 0:
        edge["condition"] = draw(st.sampled_from([*CONDITIONS]))
    return edge
