"""What a request costs in the agent of flows/support, and in the same written by hand.

`runtime.py` runs this with the agent's PEX, whose code and requirements it imports. It prints JSON:
by case and side, the microseconds of CPU for each request, one number a round. Edges are stubs that
answer at once. The cases:

- `whole`: everything between the edges works, prompt, schemas and session state included.
- `empty`: nodes give constants, so that only the order of nodes, timeouts and attempts are left.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from by_hand import ByHand, EmptyByHand
from stubs import CONSTANTS, Features, Models

from flows.support import agent as generated
from irc_runtime.agent import Agent
from irc_runtime.node import Outputs, node
from irc_runtime.state import StateStore

Predict = Callable[[Mapping[str, Any]], Awaitable[Any]]

SESSIONS = 100


def loaded(agent: generated.SupportAgent) -> Predict:
    """Make an agent ready, on stubs."""
    vars(agent).update(
        features=Features(), models=Models(generated.ANSWER_PROMPT), states=StateStore()
    )
    Agent.load(agent)
    return lambda request: agent.predict(request, {})


def emptied() -> type[generated.SupportAgent]:
    """The agent with nodes that give constants, within their timeouts and attempts."""
    methods = {}
    for node_id, method in generated.SupportAgent.nodes.items():
        settings = vars(method)["settings"]
        bare = replace(settings, inputs={}, outputs={}, state=None, requires_context=())
        methods[method.__name__] = node(bare)(constant(method.__name__, CONSTANTS[node_id]))
    return type("EmptySupportAgent", (generated.SupportAgent,), methods)


def constant(name: str, outputs: Outputs) -> Callable[..., Any]:
    """The body of a node that always gives the same."""

    async def body(agent: Any, inputs: Any, context: Any) -> Outputs:
        return outputs

    body.__name__ = name
    return body


async def round_of(predict: Predict, requests: Sequence[Mapping[str, Any]]) -> float:
    """Microseconds of CPU for each request, one after the other."""
    started = time.process_time()
    for request in requests:
        await predict(request)
    return (time.process_time() - started) / len(requests) * 1e6


async def measure(rounds: int, requests_per_round: int) -> dict[str, dict[str, list[float]]]:
    """Both sides in turn, round by round, after a round that is not counted."""
    requests = [
        {"user_id": "u1", "session_id": f"s{number % SESSIONS}", "query": "Where is my parcel?"}
        for number in range(requests_per_round)
    ]
    sides: dict[str, dict[str, Predict]] = {
        "whole": {"agent": loaded(generated.SupportAgent()), "by hand": ByHand().predict},
        "empty": {"agent": loaded(emptied()()), "by hand": EmptyByHand().predict},
    }
    figures: dict[str, dict[str, list[float]]] = {}
    for case, predictors in sides.items():
        figures[case] = {side: [] for side in predictors}
        for number in range(rounds + 1):
            for side, predict in predictors.items():
                spent_us = await round_of(predict, requests)
                if number > 0:
                    figures[case][side].append(spent_us)
        one = {**requests[0], "session_id": "last", "trace_id": "t"}
        answers = [await predict(one) for predict in predictors.values()]
        assert case == "empty" or answers[0] == answers[1], answers
    return figures


if __name__ == "__main__":
    json.dump(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2]))), sys.stdout)
