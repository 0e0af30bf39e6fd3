"""``irc map``: from generated lines to the flow, through tracebacks, and back."""

import json
from pathlib import Path

import pytest

from tests.irc.cli.calling import status

FLOW = """\
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

        def transform(inputs, context, state):
            return json.loads(inputs["query"])
  ask:
    inputs: [{name: level, type: string}]
    outputs: [{name: text, type: string}]
    prompt:
      template: |
        Say
        {{ level }}
      model: {provider: openai, name: gpt-4o}
edges:
  - {from: _input.query, to: level.query}
  - {from: level.level, to: ask.level}
  - {from: ask.text, to: _output.text}
"""


@pytest.fixture
def module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """A flow in the working folder, compiled into ``out``; the lines of its module."""
    monkeypatch.chdir(tmp_path)
    Path("flow.yaml").write_text(FLOW)
    assert status("compile", "flow.yaml", "--output-dir", "out", "--no-cache") == 0
    capsys.readouterr()
    return Path("out/agent.py").read_text().splitlines()


def line_of(module: list[str], text: str) -> int:
    (line,) = (number for number, item in enumerate(module, start=1) if text in item)
    return line


def test_a_line_of_code_is_shown_in_the_flow(
    module: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("map", f"out/agent.py:{line_of(module, 'return json.loads')}") == 0
    assert capsys.readouterr().out == """\
flow.yaml:14:13: node 'level'
  14 |             return json.loads(inputs["query"])
     |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""


def test_a_line_of_a_template_is_shown_in_the_flow(
    module: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("map", f"out/agent.py:{line_of(module, '{{ level }}')}") == 0
    assert capsys.readouterr().out == """\
flow.yaml:21:9: node 'ask'
  21 |         {{ level }}
     |         ^^^^^^^^^^^
"""


def test_a_flow_that_is_not_there_leaves_its_place(
    module: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("flow.yaml").unlink()
    assert status("map", f"out/agent.py:{line_of(module, 'return json.loads')}") == 0
    assert capsys.readouterr().out == "flow.yaml:14:1: node 'level'\n"


def test_a_line_of_the_flow_leads_to_the_module(
    module: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    line = line_of(module, "return json.loads")
    assert status("map", "flow.yaml:14") == 0
    assert capsys.readouterr().out == f'agent.py:{line}: return json.loads(inputs["query"])\n'


def test_json_holds_the_same(module: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(module, "{{ level }}")
    assert status("map", f"out/agent.py:{line}", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "module": "out/agent.py",
            "module_line": line,
            "node": "ask",
            "file": "flow.yaml",
            "line": 21,
            "column": 9,
            "end_line": 21,
            "end_column": 20,
        }
    ]


TRACEBACK = """\
Traceback (most recent call last):
  File "{folder}/agent.py", line {line}, in level_transform
    return json.loads(inputs["query"])
  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
json.decoder.JSONDecodeError: Expecting value
"""


@pytest.mark.parametrize(("place", "folder"), [("out/agent.py", "/opt/agent/app"), ("-", "out")])
def test_frames_of_a_traceback_get_their_places(
    module: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
    folder: str,
) -> None:
    text = TRACEBACK.format(folder=folder, line=line_of(module, "return json.loads"))
    (tmp_path / "trace").write_text(text)
    monkeypatch.setattr("sys.stdin", (tmp_path / "trace").open())
    assert status("map", place) == 0
    expected = text.replace("level_transform", "level_transform (flow.yaml:14, node 'level')")
    assert capsys.readouterr().out == expected


def test_what_cannot_be_mapped_is_told(
    module: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def told(place: str) -> str:
        assert status("map", place) == 1
        return capsys.readouterr().err.removeprefix("Error: ").rstrip()

    assert told("out/agent.py:1") == "out/agent.py:1 comes from no place in the flow"
    assert told("out/agent.py:0") == f"out/agent.py has the lines 1 to {len(module)}"
    assert told("out/other.py:1") == "out/other.py: No such file or directory"
    assert told("flow.yaml:1") == "nothing is generated from flow.yaml:1"
    Path("out/agent.py").write_text("")
    changed = "out/agent.map.json does not fit out/agent.py, which has changed: compile the flow again"
    assert told("out/agent.py:1") == changed
    Path("out/agent.map.json").write_text("{}")
    assert told("out/agent.py:1") == "out/agent.map.json is no line map: compile the flow again"
    Path("out/agent.map.json").write_text('{"version": 2}')
    other = "out/agent.map.json is of another version of irc: compile the flow again"
    assert told("out/agent.py:1") == other
    Path("out/agent.map.json").unlink()
    gone = "out/agent.map.json: No such file or directory"
    assert told("out/agent.py:1") == f"{gone}: 'irc compile' writes it beside the module"
