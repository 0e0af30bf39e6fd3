"""Failures of compiled agents: their answers, events and tracebacks name the flow's own lines."""

import asyncio
import importlib.util
import linecache
import logging
import sys
import traceback
import zipfile
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from irc.pipeline import generate
from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import EdgeError, NodeError
from irc_runtime.serving.answers import AnswerError
from irc_runtime.serving.model import AgentModel
from irc_runtime.testing import run_case
from tests.irc.compiling import check_text, rendered

FLOW = "flows/levels/flow.yaml"

HEAD = """\
version: "1.0"
metadata: {name: levels}
context: {requires: [query]}
nodes:
  level:
    inputs: [{name: query, type: string}]
    outputs: [{name: level, type: string}]
    transform:
      mode: code
      spec: |
        import json

"""
"""Twelve lines; the code goes on at line 13, eight columns in."""

TAIL = """\
edges:
  - {from: _input.query, to: level.query}
  - {from: level.level, to: _output.level}
"""

LOOKUP = '''\
LEVELS = {"low": "1"}

def lookup(words):
    """Look words up.

    Each of them.
    """
    return [LEVELS[word] for word in words]

async def transform(inputs, context, state):
    return "".join(lookup(inputs["query"].split()))
'''


TRACEBACK = """\
Traceback (most recent call last):
  File "agent.py", line 48, in level
    return by_port(await level_transform(inputs, ctx, None), "level")
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "flows/levels/flow.yaml", line 23, in level_transform
    return "".join(lookup(inputs["query"].split()))
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "flows/levels/flow.yaml", line 20, in lookup
    return [LEVELS[word] for word in words]
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "flows/levels/flow.yaml", line 20, in <listcomp>
    return [LEVELS[word] for word in words]
            ~~~~~~^^^^^^
KeyError: 'high'
"""
"""Of that code, for a word that is not known."""


def flow_of(code: str) -> str:
    """A flow of one node, whose code starts at line 13."""
    return HEAD + "".join(f"        {line}".rstrip() + "\n" for line in code.splitlines()) + TAIL


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Any]:
    """Compiles a flow into a folder that does not hold it, and imports its agent from there."""
    known = dict(linecache.cache)

    def load(text: str, files: Mapping[str, str] | None = None, *, map_text: str = "") -> Agent:
        beside = {f"flows/levels/{name}": content for name, content in (files or {}).items()}
        result = check_text(text, beside, FLOW)
        assert result.compiled is not None, rendered(result)
        for name, content in generate(result.compiled).items():
            path = tmp_path / Path(name).name
            path.write_text(map_text if map_text and name.endswith(".map.json") else content)
        spec = importlib.util.spec_from_file_location("levels_agent", tmp_path / "agent.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["levels_agent"] = module
        spec.loader.exec_module(module)
        agent: Agent = module.LevelsAgent()
        return agent

    yield load
    sys.modules.pop("levels_agent", None)
    linecache.cache.clear()
    linecache.cache.update(known)


def failure_of(agent: Agent, query: str = "low high") -> NodeError:
    with pytest.raises(NodeError) as caught:
        asyncio.run(agent.predict({"query": query}))
    return caught.value


def text_of(error: BaseException, tmp_path: Path) -> str:
    """A traceback as it is printed, without the frames of the runtime."""
    return shortened("".join(traceback.format_exception(error)), tmp_path)


def shortened(text: str, tmp_path: Path) -> str:
    """A traceback without the frames of the runtime, and without the test's folder."""
    lines: list[str] = []
    is_left_out = False
    for line in text.splitlines():
        if line.startswith('  File "'):
            is_left_out = "irc_runtime" in line
        elif not line.startswith("    "):
            is_left_out = False
        if not is_left_out:
            lines.append(line.replace(f"{tmp_path}/", ""))
    return "\n".join(lines) + "\n"


def test_a_traceback_shows_the_lines_of_the_flow(load: Any, tmp_path: Path) -> None:
    error = failure_of(load(flow_of(LOOKUP)))
    assert error.__cause__ is not None
    assert text_of(error.__cause__, tmp_path) == TRACEBACK
    assert str(error) == (
        "flows/levels/flow.yaml:20: node 'level' failed (error): KeyError: 'high'"
    )


def test_generated_tests_show_the_traceback(
    load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = run_case(type(load(flow_of(LOOKUP))), {"query": "low high"}, {})
    assert case.error == "flows/levels/flow.yaml:20: node 'level' failed (error): KeyError: 'high'"
    assert shortened(capsys.readouterr().err, tmp_path) == TRACEBACK


def test_answer_and_event_name_the_line(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    agent = load(flow_of(LOOKUP))
    agent.load()
    with caplog.at_level(logging.ERROR, "irc"), pytest.raises(AnswerError) as caught:
        asyncio.run(AgentModel(agent).predict({"query": "high", "trace_id": "t"}))
    assert caught.value.body == {
        "error": "node 'level' failed: KeyError in flows/levels/flow.yaml:20",
        "type": "error",
        "reason": "KeyError in flows/levels/flow.yaml:20",
        "node": "level",
        "location": "flows/levels/flow.yaml:20",
        "attempts": 1,
        "trace_id": "t",
    }
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    fields = vars(record)["fields"]
    assert (fields["node"], fields["location"], fields["raised_at"]) == (
        "level", "flows/levels/flow.yaml:20", "flows/levels/flow.yaml:20",
    )  # fmt: skip


def test_the_line_of_the_flow_is_told_where_a_library_raises(load: Any) -> None:
    code = "def transform(inputs, context, state):\n    return json.loads(inputs['query'])\n"
    error = failure_of(load(flow_of(code)))
    assert error.location == "flows/levels/flow.yaml:14"
    assert error.reason == "JSONDecodeError in json.decoder:355"


def test_causes_are_translated_as_well(load: Any, tmp_path: Path) -> None:
    code = """\
def transform(inputs, context, state):
    try:
        return {}[inputs["query"]]
    except KeyError as error:
        raise ValueError("unknown") from error
"""
    error = failure_of(load(flow_of(code)))
    assert error.__cause__ is not None
    assert text_of(error.__cause__, tmp_path) == """\
Traceback (most recent call last):
  File "flows/levels/flow.yaml", line 15, in level_transform
    return {}[inputs["query"]]
           ~~^^^^^^^^^^^^^^^^^
KeyError: 'low high'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "agent.py", line 39, in level
    return by_port(level_transform(inputs, ctx, None), "level")
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "flows/levels/flow.yaml", line 17, in level_transform
    raise ValueError("unknown") from error
ValueError: unknown
"""


def test_groups_are_translated_as_well(load: Any, tmp_path: Path) -> None:
    code = """\
import asyncio

async def one(word):
    await asyncio.sleep(0)
    return {}[word]

async def transform(inputs, context, state):
    async with asyncio.TaskGroup() as group:
        group.create_task(one(inputs["query"]))
"""
    error = failure_of(load(flow_of(code)))
    assert isinstance(error.__cause__, ExceptionGroup)
    (inner,) = error.__cause__.exceptions
    assert text_of(inner, tmp_path) == """\
Traceback (most recent call last):
  File "flows/levels/flow.yaml", line 17, in one
    return {}[word]
           ~~^^^^^^
KeyError: 'low high'
"""
    assert error.location == "flows/levels/flow.yaml:20"


def test_code_in_a_file_of_its_own_stays_as_it_is(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "def transform(inputs, context, state):\n    return {}[inputs['query']]\n"
    (tmp_path / "code").mkdir()
    (tmp_path / "code/levels_code.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "code")
    text = HEAD.partition("      spec:")[0] + "      spec: {function: levels_code:transform}\n" + TAIL
    result = load(text)
    error = failure_of(result)
    assert error.location == "flows/levels/flow.yaml:5"
    assert error.reason == "KeyError in levels_code:2"


PROMPT = """\
version: "1.0"
metadata: {name: levels}
context: {requires: [query], optional: [words]}
nodes:
  level:
    inputs: [{name: query, type: string}]
    outputs: [{name: level, type: string}]
    prompt:
      system: |
        Be kind.

        {{ context.words.first.second }} \\
      template: {file: prompts/ask.j2}
      model: {provider: openai, name: gpt-4o}
edges:
  - {from: _input.query, to: level.query}
  - {from: level.level, to: _output.level}
"""

FILES = {
    "prompts/ask.j2": "Say\n{% include 'prompts/part.j2' %}\n",
    "prompts/part.j2": "\n\n{{ query + 1 }}\n",
}


def prompt_failure(agent: Agent, **fields: Any) -> BaseException:
    """What rendering the agent's prompt fails with, once it has left the node."""
    from irc_runtime.models import ChatModels

    vars(agent)["models"] = ChatModels(
        vars(sys.modules["levels_agent"])["LEVEL_PROMPT"],
        openai=lambda model: None,  # type: ignore[arg-type,return-value]  # it is never asked
    )
    context = Context({"query": "q", **fields}, optional=("words",))
    with pytest.raises(NodeError) as caught:
        asyncio.run(agent.nodes["level"](agent, {"query": "q"}, context))
    return caught.value


def test_a_template_in_the_flow_has_the_lines_of_the_flow(load: Any, tmp_path: Path) -> None:
    error = prompt_failure(load(PROMPT, FILES), words={})
    assert vars(error)["location"] == "flows/levels/flow.yaml:12"
    assert error.__cause__ is not None and error.__cause__.__cause__ is not None
    assert '''\
  File "flows/levels/flow.yaml", line 12, in top-level template code
    {{ context.words.first.second }} \\
''' in text_of(error.__cause__.__cause__, tmp_path)


def test_a_template_in_a_file_has_the_lines_of_the_file(load: Any, tmp_path: Path) -> None:
    error = prompt_failure(load(PROMPT, FILES), words={"first": {"second": "x"}})
    assert vars(error)["location"] == "flows/levels/prompts/part.j2:3"
    assert vars(error)["reason"] == "TypeError in flows/levels/prompts/part.j2:3"
    assert error.__cause__ is not None
    text = text_of(error.__cause__, tmp_path)
    assert text.endswith('''\
  File "flows/levels/prompts/ask.j2", line 2, in top-level template code
    {% include 'prompts/part.j2' %}
  File "flows/levels/prompts/part.j2", line 3, in top-level template code
    {{ query + 1 }}
TypeError: can only concatenate str (not "int") to str
''')  # fmt: skip


def test_attempts_that_fail_name_the_line(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    code = "def transform(inputs, context, state):\n    raise OSError(inputs['query'])\n"
    text = flow_of(code).replace("edges:", "    runtime: {retries: 2, retry_backoff_ms: 1}\nedges:")
    error = failure_of(load(text))
    assert (error.attempts, error.location) == (2, "flows/levels/flow.yaml:14")
    (record,) = (x for x in caplog.records if vars(x)["event"] == "attempt_failed")
    assert vars(record)["fields"]["location"] == "flows/levels/flow.yaml:14"


def test_frames_keep_the_values_of_their_names(load: Any) -> None:
    code = "def transform(inputs, context, state):\n    word = inputs['query']\n    return {}[word]\n"
    error = failure_of(load(flow_of(code)))
    assert error.__cause__ is not None
    *_, (frame, line) = traceback.walk_tb(error.__cause__.__traceback__)
    assert (frame.f_locals["word"], frame.f_code.co_firstlineno, line) == ("low high", 13, 15)


def test_edges_name_their_own_line(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    text = flow_of("def transform(inputs, context, state):\n    return {'level': 'x'}\n")
    text = text.replace("to: _output.level}", "to: _output.level, transform: int(value)}")
    with pytest.raises(EdgeError) as caught:
        asyncio.run(load(text).predict({"query": "q"}))
    assert caught.value.location == "flows/levels/flow.yaml:17"
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert vars(record)["fields"]["raised_at"] == "flows/levels/flow.yaml:17"


def test_an_agent_in_an_archive_has_its_lines(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(flow_of(LOOKUP))
    with zipfile.ZipFile(tmp_path / "agent.zip", "w") as archive:
        archive.write(tmp_path / "agent.py", "zipped_agent.py")
        archive.write(tmp_path / "agent.map.json", "zipped_agent.map.json")
    monkeypatch.syspath_prepend(tmp_path / "agent.zip")
    agent = vars(importlib.import_module("zipped_agent"))["LevelsAgent"]()
    assert failure_of(agent).location == "flows/levels/flow.yaml:20"


def test_a_map_of_another_module_is_not_used(load: Any) -> None:
    error = failure_of(load(flow_of(LOOKUP), map_text='{"version": 3, "digest": "sha256:0"}'))
    assert error.location == "flows/levels/flow.yaml:5"
    assert error.reason.startswith("KeyError in levels_agent:")


def test_an_operation_that_fails_names_its_place_in_the_flow(load: Any) -> None:
    spec = '{op: transform.map, args: {input: "${query}", expression: "int(item)"}}'
    text = HEAD.partition("      mode:")[0] + f"      mode: declarative\n      spec: {spec}\n" + TAIL
    error = failure_of(load(text.replace("level, type: string", "level, type: array")))
    assert error.reason == "ValueError in flows/levels/flow.yaml:9"


def test_the_map_is_read_once_and_only_when_something_fails(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = load(flow_of(LOOKUP))
    read: list[str] = []
    get_data = SourceFileLoader.get_data

    def counted(self: SourceFileLoader, path: str) -> bytes:
        read.append(Path(path).name)
        return get_data(self, path)

    monkeypatch.setattr(SourceFileLoader, "get_data", counted)
    asyncio.run(agent.predict({"query": "low"}))
    assert read.count("agent.map.json") == 0
    failure_of(agent)
    failure_of(agent)
    assert read.count("agent.map.json") == 1
