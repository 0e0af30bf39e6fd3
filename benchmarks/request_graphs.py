"""The flows of `execution.py`: five nodes, a chain and a fan-out, each node with code that joins texts.

As flows of irc, as graphs that `peer_graphs.py` writes in peers' languages, and by hand in asyncio. Irc's
and those by hand have a timeout and two attempts for each node.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

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


#: The same where each node waits for the event loop once, as if something had to come.
WAITING: dict[str, Graph] = {
    f"{name}, each waits": GRAPHS[name] for name in ("five nodes", "chain of 100", "fan-out of 100")
}


def flow(graph: Graph, *, waits: bool = False) -> str:
    """A graph as a flow of irc."""
    if waits:
        code = [
            "        import asyncio",
            "",
            "        async def transform(inputs, context, state):",
            "            await asyncio.sleep(0)",
        ]
    else:
        code = ["        def transform(inputs, context, state):"]
    lines = [
        'version: "1.0"',
        "metadata: {name: requests}",
        "context: {requires: [query]}",
        "nodes:",
    ]
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
            *code,
            '            return "".join(inputs.values())',
            f"    runtime: {{timeout_ms: {TIMEOUT_MS}, retries: {ATTEMPTS}, retry_backoff_ms: {PAUSE_MS}}}",
        ]
        for port, source in zip(ports, sources or ["_input"], strict=True):
            port_of_source = "query" if source == "_input" else "text"
            edges.append(f"  - {{from: {source}.{port_of_source}, to: {name}.{port}}}")
    edges.append(f"  - {{from: {next(reversed(graph))}.text, to: _output}}")
    return "\n".join([*lines, "edges:", *edges]) + "\n"


async def join(*texts: str) -> str:
    """What each node does."""
    return "".join(texts)


async def join_later(*texts: str) -> str:
    """The same, when something has come."""
    await asyncio.sleep(0)
    return "".join(texts)


Step = Callable[..., Awaitable[str]]
Run = Callable[[str], Awaitable[str]]


def limited(call: Callable[[], Awaitable[str]]) -> Coroutine[Any, Any, str]:
    """Within a node's time and attempts."""
    return tried(call, TIMEOUT_MS / 1000, ATTEMPTS, PAUSE_MS / 1000)


def five_by_hand(step: Step) -> Run:
    """Two nodes side by side between others."""

    async def run(query: str) -> str:
        a = await limited(lambda: step(query))
        async with asyncio.TaskGroup() as group:
            b_task = group.create_task(limited(lambda: step(a)))
            c = await limited(lambda: step(a))
            b = await b_task
        d = await limited(lambda: step(b, c))
        return await limited(lambda: step(d))

    return run


def chain_by_hand(step: Step, nodes: int) -> Run:
    """Each node reads the one before."""

    async def run(query: str) -> str:
        text = query
        for _ in range(nodes):
            text = await limited(lambda: step(text))  # noqa: B023  # called at once
        return text

    return run


def fan_out_by_hand(step: Step, nodes: int) -> Run:
    """All nodes but the last read the request; the last reads them."""

    async def run(query: str) -> str:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(limited(lambda: step(query))) for _ in range(nodes - 1)]
        return await limited(lambda: step(*(task.result() for task in tasks)))

    return run


BY_HAND: dict[str, Run] = {
    "five nodes": five_by_hand(join),
    "chain of 10": chain_by_hand(join, 10),
    "chain of 100": chain_by_hand(join, 100),
    "fan-out of 10": fan_out_by_hand(join, 10),
    "fan-out of 100": fan_out_by_hand(join, 100),
    "five nodes, each waits": five_by_hand(join_later),
    "chain of 100, each waits": chain_by_hand(join_later, 100),
    "fan-out of 100, each waits": fan_out_by_hand(join_later, 100),
}
