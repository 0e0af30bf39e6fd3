"""Generated tests find mistakes: an agent that is broken in one place fails some test of its own.

``tests/golden/good_everything/flow.yaml`` has one of each thing. Every mutation is an edit of the generated
agent's text; the generated tests run as they are.
"""

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from irc.pipeline import check, generate

FOLDER = Path("tests/golden/good_everything")

MUTATIONS = {
    "a condition is dropped": ("    if not (value > 0.5):\n        return ABSENT\n", ""),
    "a condition is turned": ("if not (value <= 0.5):", "if value <= 0.5:"),
    "a bound is off": ("value > 0.5", "value > 0.6"),
    "two edges are swapped": (
        '{"name": profile["name"], "query": request["query"]}',
        '{"query": profile["name"], "name": request["query"]}',
    ),
    "an edge starts at another port": ('"earlier": remember["earlier"]', '"earlier": profile["visits"]'),
    "a transform is dropped": ("return value.upper()", "return value"),
    "a cast is dropped": ("return to_string(value)", "return value"),
    "a cast is wrong": ("return to_string(value)", "return repr(value) + ' '"),
    "a skip is missing": ("if delivered(shrug_score):", "if True:"),
    "a node never runs": ("if delivered(sorry_error):", "if False:"),
    "nodes wait for each other": (
        "            profile = await self.profile(",
        "            await remember_task\n            profile = await self.profile(",
    ),
    "an output is renamed": ('"visits": profile["visits"]', '"visit": profile["visits"]'),
    "an output is left out": ('"sure": answer.get("sure", ABSENT),', ""),
    "a branch does not reach the output": ('                    sorry.get("text", ABSENT),\n', ""),
    "the handler is ignored": ("async def handle_error(", "async def handle_no_error("),
    "the handler gets nothing": ('self.report({"error": error}, ctx)', 'self.report({"error": {}}, ctx)'),
    "there is no second attempt": ("attempts=3,", "attempts=1,"),
    "there is an attempt too many": ("attempts=3,", "attempts=4,"),
    "pauses are too short": ("backoff_s=0.02,", "backoff_s=0.01,"),
    "a timeout is longer": ("timeout_s=0.2,", "timeout_s=0.3,"),
    "a timeout is shorter": ("timeout_s=0.9,", "timeout_s=0.8,"),
    "a timeout is ignored": ("timeout_s=0.3,", "timeout_s=1e9,"),
    "the error port is dropped": ('            error_port="error",\n            cache=', "            cache="),
    "the error port has another name": (
        'error_port="error",\n            fallback', 'error_port="failed",\n            fallback',
    ),
    "the fallback is never taken": ('            fallbacks=("_answer_fallback",),\n', ""),
    "the fallback answers to other failures": (
        'fallback_on=("timeout", "validation_fail")', 'fallback_on=("timeout", "error")',
    ),
    "the static response is another": ('"text": "Later."', '"text": "Never."'),
    "required context is dropped": ('            requires_context=("session_id",),\n', ""),
    "an input's schema is dropped": ('            inputs={"query": RANK_QUERY_INPUT_SCHEMA},\n', ""),
    "an output's schema is dropped": ('            outputs={"score": RANK_SCORE_SCHEMA},\n', ""),
    "an answer's schema is dropped": ("    output_schema=ANSWER_ANSWER_SCHEMA,\n", ""),
    "the state is of no session": ('scope="session", key=', 'scope="request", key='),
    "sessions share the state": ('key="q:{session_id}"', 'key="q"'),
    "state is kept too long": ("ttl_s=600.0", "ttl_s=601.0"),
    "state is not written": ('    await state.set("seen", seen + 1)\n', ""),
    "state has another name": ('state.set("seen", seen + 1)', 'state.set("saw", seen + 1)'),
    "more run at once": ("concurrency=2,", "concurrency=3,"),
    "nothing bounds what runs at once": (", concurrency=3))", "))"),
    "nothing is cached": ("            cache=CacheSpec(ttl_s=60.0, max_entries=1024),\n", ""),
    "results stand too long": ("CacheSpec(ttl_s=60.0", "CacheSpec(ttl_s=90.0"),
    "the cache's key loses an input": ("ctx: dict(inputs)", 'ctx: inputs["name"]'),
    "the prompt loses a variable": ("For {{ name }}, scored", "For you, scored"),
    "the system prompt loses a field": ("Language: {{ context.locale }}.", "Language: English."),
    "another model is asked": ('name="gpt-4o-mini"', 'name="gpt-4o"'),
    "the prompt's outputs are mixed up": ('by_port(answer, "text", "sure")', '{**answer, "sure": not answer["sure"]}'),
    "the features' key is another": (
        '{"user_id": inputs["user_id"]},\n            as_of', '{"user": inputs["user_id"]},\n            as_of',
    ),
    "the key's value is another": (
        '{"user_id": inputs["user_id"]},\n            as_of', '{"user_id": ctx.session_id},\n            as_of',
    ),
    "features are read of now": ("            as_of=ctx.event_time,\n", ""),
    "features are of another version": ("version=2,", "version=1,"),
    "features come from another view": ('    "users",\n', '    "user",\n'),
    "an address is another": ("/v1/{inputs", "/v2/{inputs"),
    "a header is lost": ('            headers={"Authorization": f"Bearer {self.environment[\'TOKEN\']}"},\n', ""),
    "a body is another": ('body={"text": inputs["query"]}', 'body={"text": inputs["name"]}'),
    "the method is another": ("self.http.post(", "self.http.get("),
    "a text is another": ("Only {as_text", "Just {as_text"),
    "the deadline is ignored": (
        "        async with Branches() as branches:\n            remember_task",
        "        ctx.deadline = None\n        async with Branches() as branches:\n            remember_task",
    ),
    "a required field is not": ('requires = ("user_id", "session_id", "query")', 'requires = ("user_id", "query")'),
}  # fmt: skip
"""By what is wrong then: a text of the agent, and what stands in its place."""


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """The generated files of the flow."""
    result = check("flow.yaml", lambda name: (FOLDER / name).read_bytes())
    assert result.compiled is not None
    return generate(result.compiled)


def failures(agent: str, tests: str) -> Iterator[str]:
    """The names of the tests that fail for an agent."""
    modules = {name: types.ModuleType(name) for name in ("agent", "test_agent")}
    with patch.dict(sys.modules, modules):
        for (name, module), text in zip(modules.items(), (agent, tests), strict=True):
            exec(compile(text, f"{name}.py", "exec"), vars(module))  # noqa: S102  (the product is code)
        for name, test in list(vars(modules["test_agent"]).items()):
            if name.startswith("test_"):
                for arguments in arguments_of(test):
                    try:
                        test(*arguments)
                    except Exception:  # noqa: BLE001  # whatever it is, the test fails
                        yield name
                        break


def arguments_of(test: Any) -> list[tuple[Any, ...]]:
    """The arguments of each call of a test: one call without any, or those of its ``parametrize``."""
    marks = getattr(test, "pytestmark", [])
    return [(value,) for value in marks[0].args[1]] if marks else [()]


def test_an_agent_that_is_whole_passes(generated: dict[str, str]) -> None:
    assert list(failures(generated["agent.py"], generated["test_agent.py"])) == []


@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
def test_a_broken_agent_fails(mutation: str, generated: dict[str, str]) -> None:
    old, new = MUTATIONS[mutation]
    agent = generated["agent.py"]
    assert agent.count(old) == 1, "the mutation does not fit the agent"
    failed = next(failures(agent.replace(old, new), generated["test_agent.py"]), None)
    assert failed is not None, f"no test fails though {mutation}"
