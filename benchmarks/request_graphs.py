"""The flows of `execution.py`: five nodes, a chain and a fan-out, each node with code that joins texts.

As flows of irc, as graphs that `peer_graphs.py` writes in peers' languages, and by hand in asyncio. Irc's
and those by hand have a timeout and two attempts for each node.
"""

import asyncio
from collections.abc import Awaitable, Callable

from peer_graphs import Graph
from tried import tried

TIMEOUT_MS = 500
ATTEMPTS = 2
PAUSE_MS = 50


def five() -> Graph:
    """Two nodes side by side between others."""
    return {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


def chain(nodes: int) -> Graph:
    """Each node reads the one before."""
    return {f"n{at}": [f"n{at - 1}"] if at else [] for at in range(nodes)}


def fan_out(nodes: int) -> Graph:
    """All nodes but the last read the request; the last reads them."""
    wide = [f"n{at}" for at in range(nodes - 1)]
    return {**{name: [] for name in wide}, "join": wide}


GRAPHS: dict[str, Graph] = {
    "five nodes": five(),
    "chain of 10": chain(10),
    "chain of 100": chain(100),
    "fan-out of 10": fan_out(10),
    "fan-out of 100": fan_out(100),
}


def flow(graph: Graph) -> str:
    """A graph as a flow of irc."""
    lines = ['version: "1.0"', "metadata: {name: requests}", "context: {requires: [query]}", "nodes:"]
    edges = []
    for name, sources in graph.items():
        ports = [f"in_{at}" for at in range(max(len(sources), 1))]
        lines += [f"  {name}:", "    inputs:"]
        lines += [f"      - {{name: {port}, type: string}}" for port in ports]
        lines += [
            "    outputs: [{name: text, type: string}]",
            "    transform:",
            "      mode: code",
            "      spec: |",
            "        def transform(inputs, context, state):",
            '            return "".join(inputs.values())',
            f"    runtime: {{timeout_ms: {TIMEOUT_MS}, retries: {ATTEMPTS}, retry_backoff_ms: {PAUSE_MS}}}",
        ]
        for port, source in zip(ports, sources or ["_input"], strict=True):
            port_of_source = "query" if source == "_input" else "text"
            edges.append(f"  - {{from: {source}.{port_of_source}, to: {name}.{port}}}")
    edges.append(f"  - {{from: {next(reversed(graph))}.text, to: _output}}")
    return "\n".join([*lines, "edges:", *edges]) + "\n"


async def step(*texts: str) -> str:
    """What each node does."""
    return "".join(texts)


def limited(call: Callable[[], Awaitable[str]]) -> Awaitable[str]:
    """Within a node's time and attempts."""
    return tried(call, TIMEOUT_MS / 1000, ATTEMPTS, PAUSE_MS / 1000)


async def five_by_hand(query: str) -> str:
    """Two nodes side by side between others."""
    a = await limited(lambda: step(query))
    async with asyncio.TaskGroup() as group:
        b_task = group.create_task(limited(lambda: step(a)))  # type: ignore[arg-type]  # a coroutine
        c = await limited(lambda: step(a))
        b = await b_task
    d = await limited(lambda: step(b, c))
    return await limited(lambda: step(d))


def chain_by_hand(nodes: int) -> Callable[[str], Awaitable[str]]:
    """Each node reads the one before."""

    async def run(query: str) -> str:
        text = query
        for _ in range(nodes):
            text = await limited(lambda: step(text))  # noqa: B023  # called at once
        return text

    return run


def fan_out_by_hand(nodes: int) -> Callable[[str], Awaitable[str]]:
    """All nodes but the last read the request; the last reads them."""

    async def run(query: str) -> str:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(limited(lambda: step(query))) for _ in range(nodes - 1)]  # type: ignore[arg-type]  # coroutines
        texts = [task.result() for task in tasks]
        return await limited(lambda: step(*texts))

    return run


BY_HAND: dict[str, Callable[[str], Awaitable[str]]] = {
    "five nodes": five_by_hand,
    "chain of 10": chain_by_hand(10),
    "chain of 100": chain_by_hand(100),
    "fan-out of 10": fan_out_by_hand(10),
    "fan-out of 100": fan_out_by_hand(100),
}
