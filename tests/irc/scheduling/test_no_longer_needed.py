"""Work whose result can reach nobody is not waited for, and is cancelled."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.errors import NodeError
from irc_runtime.stubs import Script, scripted_agent
from irc_runtime.virtual_time import run_virtually
from tests.irc.compiling import BASE, agent_of, generated

TEXT = "{name: text, type: string}"

NODE = """\
  {name}:
    inputs: [{inputs}]
    outputs: [{{name: text, type: string}}]
    transform: {{mode: code, spec: "async def transform(i, c, s): return 'x'"}}
{more}"""


def node(name: str, *inputs: str, more: str = "") -> str:
    ports = ", ".join(f"{{name: {port}, type: string}}" for port in inputs)
    return NODE.format(name=name, inputs=ports, more=more and f"    {more}\n")


def flow(nodes: str, *edges: str) -> str:
    return f"{BASE}nodes:\n{nodes}edges:\n" + "".join(f"  - {{{edge}}}\n" for edge in edges)


#: ``deep`` needs what ``search`` finds, but only for a question that ``judge`` calls hard.
DEEP = flow(
    node("search", "query") + node("judge", "query") + node("deep", "found", "level")
    + node("brief", "level"),
    "from: _input.query, to: search",
    "from: _input.query, to: judge",
    "from: search, to: deep.found",
    "from: judge, to: deep.level, condition: \"value == 'hard'\"",
    "from: judge, to: brief.level, condition: \"value != 'hard'\"",
    "from: deep, to: _output.text",
    "from: brief, to: _output.text",
)  # fmt: skip


class Asked:
    """A request to an agent whose nodes are scripted, in virtual time.

    Args:
        nodes: by node, how long it takes in seconds, and its text or failure.
    """

    def __init__(self, agent_type: type[Agent], nodes: Mapping[str, tuple[float, Any]]) -> None:
        self.ended: dict[str, float] = {}
        self.cancelled: dict[str, float] = {}
        self.answer: Any = None
        self.failure: NodeError | None = None
        self.elapsed_s = run_virtually(self._ask(agent_type, nodes))

    async def _ask(self, agent_type: type[Agent], nodes: Mapping[str, tuple[float, Any]]) -> float:
        outcomes = {name: [{"act": self._act(name, *facts)}] for name, facts in nodes.items()}
        agent = scripted_agent(agent_type, Script(outcomes))
        try:
            self.answer = await agent.predict({"query": "q"})
        except NodeError as failure:
            self.failure = failure
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return asyncio.get_running_loop().time()

    def _act(self, name: str, takes_s: float, result: Any) -> Any:
        async def act(inputs: Any, context: Any, *state: Any) -> Any:
            now = asyncio.get_running_loop().time
            try:
                await asyncio.sleep(takes_s)
            except asyncio.CancelledError:
                self.cancelled[name] = now()
                raise
            self.ended[name] = now()
            if isinstance(result, Exception):
                raise result
            return {"text": result}

        return act


def test_a_skipped_node_is_not_waited_for_and_its_inputs_are_cancelled() -> None:
    asked = Asked(
        agent_of(DEEP), {"search": (9, "s"), "judge": (1, "easy"), "brief": (2, "b"), "deep": (1, "d")}
    )  # fmt: skip
    assert (asked.answer, asked.elapsed_s) == ({"text": "b"}, 3)
    assert asked.cancelled == {"search": 1}


def test_what_is_needed_is_waited_for() -> None:
    asked = Asked(
        agent_of(DEEP), {"search": (9, "s"), "judge": (1, "hard"), "brief": (2, "b"), "deep": (1, "d")}
    )  # fmt: skip
    assert (asked.answer, asked.elapsed_s, asked.cancelled) == ({"text": "d"}, 10, {})


@pytest.mark.parametrize("fails_after_s", [0, 0.5, 2])
def test_a_failure_counts_where_the_result_is_needed_whenever_it_comes(
    fails_after_s: float,
) -> None:
    broken = (fails_after_s, ConnectionError())
    others = {"brief": (2, "b"), "deep": (1, "d")}
    asked = Asked(agent_of(DEEP), {"search": broken, "judge": (1, "easy"), **others})
    assert (asked.answer, asked.failure) == ({"text": "b"}, None)
    asked = Asked(agent_of(DEEP), {"search": broken, "judge": (1, "hard"), **others})
    assert asked.failure is not None
    assert asked.failure.node == "search"
    assert asked.elapsed_s == max(fails_after_s, 1)


def test_the_request_alone_may_decide() -> None:
    text = flow(
        node("search", "query") + node("deep", "mode", "found") + node("brief", "query"),
        "from: _input.query, to: search",
        "from: _input.query, to: deep.mode, condition: \"value == 'deep'\"",
        "from: search, to: deep.found",
        "from: _input.query, to: brief",
        "from: brief, to: _output.brief",
        "from: deep, to: _output.deep",
    )
    asked = Asked(agent_of(text), {"search": (9, "s"), "brief": (2, "b"), "deep": (1, "d")})
    assert (asked.answer, asked.elapsed_s) == ({"brief": "b"}, 2)
    assert [*asked.cancelled] == ["search"]


def test_an_effect_is_waited_for_whoever_reads_it() -> None:
    text = DEEP.replace("  judge:", "    state: {scope: request}\n  judge:", 1)
    asked = Asked(
        agent_of(text), {"search": (9, "s"), "judge": (1, "easy"), "brief": (2, "b"), "deep": (1, "d")}
    )  # fmt: skip
    assert (asked.answer, asked.elapsed_s, asked.cancelled) == ({"text": "b"}, 9, {})


def test_what_two_read_is_cancelled_when_the_flow_ends() -> None:
    nodes = node("search", "query") + node("judge", "query")
    edges = ["from: _input.query, to: search", "from: _input.query, to: judge"]
    for name in ("one", "two"):
        nodes += node(name, "level", "found")
        edges += [
            f"from: judge, to: {name}.level, condition: \"value == '{name}'\"",
            f"from: search, to: {name}.found",
            f"from: {name}, to: _output.{name}",
        ]
    edges.append("from: judge, to: _output.level")
    facts = {"search": (9, "s"), "one": (1, "1"), "two": (1, "2")}
    asked = Asked(agent_of(flow(nodes, *edges)), {**facts, "judge": (1, "none")})
    assert (asked.answer, asked.elapsed_s) == ({"level": "none"}, 1)
    assert asked.cancelled == {"search": 1}
    asked = Asked(agent_of(flow(nodes, *edges)), {**facts, "judge": (1, "two")})
    assert (asked.answer, asked.elapsed_s) == ({"level": "two", "two": "2"}, 10)


def test_dropped_work_does_not_take_along_what_others_wait_for() -> None:
    nodes = (
        node("source", "query") + node("search", "query", "of") + node("judge", "query")
        + node("deep", "level", "found") + node("other", "of")
    )  # fmt: skip
    text = flow(
        nodes,
        "from: _input.query, to: source",
        "from: _input.query, to: search.query",
        "from: source, to: search.of",
        "from: _input.query, to: judge",
        "from: judge, to: deep.level, condition: \"value == 'hard'\"",
        "from: search, to: deep.found",
        "from: source, to: other",
        "from: judge, to: _output.level",
        "from: other, to: _output.other",
        "from: deep, to: _output.deep",
    )
    facts = {"source": (5, "s"), "search": (9, "f"), "other": (1, "o"), "deep": (1, "d")}
    asked = Asked(agent_of(text), {**facts, "judge": (1, "easy")})
    assert (asked.answer, asked.elapsed_s) == ({"level": "easy", "other": "o"}, 6)


def test_nothing_is_speculative_where_all_is_certain() -> None:
    text = flow(
        node("search", "query") + node("judge", "query") + node("deep", "found", "level"),
        "from: _input.query, to: search",
        "from: _input.query, to: judge",
        "from: search, to: deep.found",
        "from: judge, to: deep.level",
        "from: deep, to: _output",
    )
    assert "speculate" not in generated(text)
    assert "speculate" in generated(DEEP)
