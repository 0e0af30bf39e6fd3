"""What a request costs on one side, in this process; `execution.py` starts it and asks, a line each time.

    python execution_cost.py SIDE FOLDER

It reads lines of JSON, `["chain of 100", 50]`: a flow, whose files lie in FOLDER below that name, and a
number of requests. It answers each by a line, the microseconds of CPU for each request.
"""

import asyncio
import importlib.util
import json
import logging
import os
import runpy
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any

QUERY = "Where is my parcel?"

Ask = Callable[[], Awaitable[Any]]


def main() -> None:
    """Answer until there are no more lines."""
    side, folder = sys.argv[1], Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is no answer
    logging.disable(logging.CRITICAL)
    asks: dict[str, Ask] = {}
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            name, requests = json.loads(line)
            if name not in asks:
                asks[name] = runner.run(SIDES[side](name, folder / name.replace(" ", "_")))
            print(runner.run(cost_us(asks[name], requests)), file=answers, flush=True)


async def cost_us(ask: Ask, requests: int) -> float:
    """Microseconds of CPU for each of several requests, one after the other."""
    started = time.process_time()
    for _ in range(requests):
        answer = await ask()
    cost = (time.process_time() - started) / requests * 1e6
    assert answer.startswith(QUERY), answer
    return cost


async def irc(name: str, folder: Path) -> Ask:
    """The generated agent, as its server asks it."""
    spec = importlib.util.spec_from_file_location(folder.name, folder / "compiled" / "agent.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    agent = module.RequestsAgent()
    agent.load()
    headers = {"host": "127.0.0.1", "content-type": "application/json"}
    return lambda: agent.predict({"query": QUERY}, headers)


async def by_hand(name: str, folder: Path) -> Ask:
    """The same in asyncio."""
    from request_graphs import BY_HAND

    return lambda: BY_HAND[name](QUERY)


async def langgraph(name: str, folder: Path) -> Ask:
    """A compiled graph, asked as in a thread of its own: the way that costs it least."""
    state = runpy.run_path(str(folder / "flow.py"))
    graph = state["graph"].compile()
    last = [key for key in state["State"].__annotations__][-1]

    async def ask() -> Any:
        return graph.invoke({"query": QUERY}, {"recursion_limit": 1000})[last]

    return ask


async def haystack(name: str, folder: Path) -> Ask:
    """A pipeline."""
    pipeline = runpy.run_path(str(folder / "flow.py"))["pipeline"]
    inputs = {node: {port: QUERY for port in ports} for node, ports in pipeline.inputs().items()}

    async def ask() -> Any:
        (outputs,) = pipeline.run(inputs).values()
        return outputs["text"]

    return ask


async def promptflow(name: str, folder: Path) -> Ask:
    """A flow's executor."""
    # By name, as it is installed in this peer's environment alone.
    executor_type = import_module("promptflow.executor").FlowExecutor
    executor = executor_type.create(folder.resolve() / "flow.dag.yaml", connections={})

    async def ask() -> Any:
        return executor.exec_line({"query": QUERY}).output["text"]

    return ask


SIDES: dict[str, Callable[[str, Path], Coroutine[Any, Any, Ask]]] = {
    "irc": irc,
    "by hand": by_hand,
    "langgraph": langgraph,
    "haystack": haystack,
    "promptflow": promptflow,
}

if __name__ == "__main__":
    main()
