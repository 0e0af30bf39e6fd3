"""``irc graph``: what is drawn of a flow, and that Graphviz takes it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from irc.graphs.dot import write_dot
from irc.graphs.drawing import Drawing, Kind, Route, draw
from irc.graphs.mermaid import write_mermaid
from irc.graphs.palette import FILLS
from tests.irc.cli.calling import status
from tests.irc.compiling import check_text, rendered

FLOW = """\
version: "1.0"
metadata: {name: drawn}
context: {requires: [user_id, text]}
on_error: report
nodes:
  end:
    inputs: [{name: text, type: string}]
    outputs: [{name: risk, type: number}]
    error: {name: failed}
    transform: {mode: code, spec: "def transform(i, c, s): return 1"}
  send:
    inputs: [{name: risk, type: number}]
    outputs: [{name: sent, type: object}]
    transform: {mode: declarative, spec: {op: http.post, args: {url: "http://x/${risk}"}}}
  ask:
    inputs: [{name: text, type: string}]
    outputs: [{name: reply, type: string}]
    prompt: {template: "{{ text }}", model: {provider: openai, name: "gpt<4>"}}
  count:
    inputs: [{name: why, type: object}]
    outputs: [{name: n, type: number}]
    transform: {mode: code, spec: "def transform(i, c, s): return 1"}
    state: {scope: session, key: "{user_id}"}
  report:
    inputs: [{name: error, type: object}]
    outputs: [{name: text, type: object}]
    transform: {mode: declarative, spec: {op: io.format_response, args: {template: "${error}"}}}
  unused:
    inputs: [{name: text, type: string}]
    outputs: [{name: text, type: string}]
    transform: {mode: declarative, spec: {op: io.format_response, args: {template: "${text}"}}}
edges:
  - {from: _input.text, to: end}
  - {from: _input.text, to: ask}
  - {from: _input.text, to: unused}
  - {from: end.risk, to: send, condition: risk > 0.5 and value != "a"}
  - {from: end.failed, to: count}
  - {from: count, to: _output.count}
  - {from: ask.reply, to: _output.reply, transform: "{'text': reply}"}
"""

MERMAID = """\
flowchart LR
    input_text(["_input.text"])
    node_end["end<br/>code"]
    node_send[["send<br/>http.post (effect)"]]
    node_ask{{"ask<br/>prompt gpt#60;4#62;"}}
    node_count[("count<br/>code<br/>state of the session")]
    node_report["report<br/>io.format_response"]
    node_unused["unused<br/>io.format_response"]
    output_count(["_output.count"])
    output_reply(["_output.reply"])
    on_error(["on_error"])
    input_text -->|"text"| node_end
    input_text -->|"text"| node_ask
    input_text -->|"text"| node_unused
    node_end -->|"risk<br/>if risk #62; 0.5 and value != #34;a#34;"| node_send
    node_end -.->|"failed → why"| node_count
    node_count -->|"n"| output_count
    node_ask -->|"reply<br/>= {'text': reply}"| output_reply
    on_error -.->|"error"| node_report
    classDef code fill:#e3f2fd,stroke:#333,color:#000
    class node_end code
    classDef prompt fill:#ede7f6,stroke:#333,color:#000
    class node_ask prompt
    classDef operation fill:#e8f5e9,stroke:#333,color:#000
    class node_report operation
    classDef effect fill:#fff3e0,stroke:#333,color:#000
    class node_send effect
    classDef state fill:#fffde7,stroke:#333,color:#000
    class node_count state
    classDef terminal fill:#ffffff,stroke:#333,color:#000
    class input_text,output_count,output_reply,on_error terminal
    classDef dead fill:#f5f5f5,stroke:#999,color:#999,stroke-dasharray:4 3
    class node_unused dead
"""


def drawn(text: str) -> Drawing:
    result = check_text(text)
    assert result.compiled is not None, rendered(result)
    return draw(result.compiled)


def placed(text: str) -> str:
    """The flow with a position on each node."""
    names = ["end", "send", "ask", "count", "report", "unused"]
    for index, name in enumerate(names):
        text = text.replace(
            f"  {name}:\n", f"  {name}:\n    position: {{x: {index * 200}, y: {index * 50}}}\n"
        )
    return text


def test_mermaid_shows_all_that_the_flow_says() -> None:
    assert write_mermaid(drawn(FLOW)) == MERMAID


def test_routes_of_failures_are_dashed_in_dot() -> None:
    lines = write_dot(drawn(FLOW)).splitlines()
    dashed = [line.split(" [")[0].strip() for line in lines if "style=dashed" in line]
    assert dashed == ["node_end -> node_count", "on_error -> node_report"]


def test_tool_is_drawn_between_the_prompt_and_its_node() -> None:
    result = check_text(FLOW)
    assert result.compiled is not None
    graph = result.compiled.graph
    ask = graph.flow.nodes["ask"]
    assert ask.prompt is not None
    tool = ask.prompt.model_validate(
        {
            "template": "x", "model": {"provider": "openai", "name": "m"},
            "tools": [{"name": "look_up", "parameters": {}, "maps_to": "unused"}],
        }
    )  # fmt: skip
    graph.flow.nodes["ask"] = ask.model_copy(update={"prompt": tool})
    drawing = draw(result.compiled)
    (arrow,) = (arrow for arrow in drawing.arrows if arrow.route is Route.TOOL)
    assert (arrow.source, arrow.target, arrow.lines) == (
        "node_ask", "node_unused", ("tool look_up",)
    )  # fmt: skip
    assert not any(box.dead for box in drawing.boxes)
    assert 'node_ask <-.->|"tool look_up"| node_unused' in write_mermaid(drawing)


def test_positions_are_kept_where_all_nodes_have_one() -> None:
    drawing = drawn(placed(FLOW))
    assert drawing.placed
    places = {box.lines[0]: box.position for box in drawing.boxes}
    assert places["ask"] == (400, 100)
    assert places["_input.text"] == (-240, 0)
    assert places["_output.reply"] == (1240, 80)
    assert 'pos="400,-100!"' in write_dot(drawing)


def test_positions_of_some_nodes_do_not_count() -> None:
    some = placed(FLOW).replace("    position: {x: 0, y: 0}\n", "", 1)
    assert not drawn(some).placed
    assert "layout=neato" not in write_dot(drawn(some))


PATH = "/usr/local/bin:/usr/bin:/bin"  # a test's environment has none


def graphviz() -> str:
    program = shutil.which("dot", path=PATH)
    if program is None:
        pytest.skip("Graphviz is not installed")
    return program


@pytest.mark.parametrize("text", [FLOW, placed(FLOW)], ids=["laid out", "placed"])
def test_graphviz_reads_the_text(text: str) -> None:
    done = subprocess.run(
        [graphviz(), "-Tcanon"], input=write_dot(drawn(text)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert 'label="risk\\nif risk > 0.5 and value != \\"a\\""' in done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.yaml").write_text(FLOW)
    return tmp_path


def test_svg_has_every_node_and_no_version_of_graphviz(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphviz()
    monkeypatch.setenv("PATH", PATH)
    (folder / "flow.yaml").write_text(placed(FLOW))
    assert status("graph", "flow.yaml", "--format", "svg", "-o", "flow.svg") == 0
    text = (folder / "flow.svg").read_text()
    assert "Generated by" not in text
    for box in drawn(FLOW).boxes:
        assert f"<title>{box.id}</title>" in text


def test_missing_graphviz_is_named_with_its_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert status("graph", "flow.yaml", "--format", "svg") == 1
    assert "install the package 'graphviz'" in capsys.readouterr().err


def test_drawing_goes_to_stdout_and_warnings_to_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("graph", "flow.yaml") == 0
    shown = capsys.readouterr()
    assert shown.out == MERMAID
    assert "warning[W301]" in shown.err


def test_broken_flow_is_not_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "flow.yaml").write_text(FLOW.replace("to: ask}", "to: asks}"))
    assert status("graph", "flow.yaml", "-o", "flow.mmd") == 1
    assert "error[E301]" in capsys.readouterr().err
    assert not (folder / "flow.mmd").exists()


def test_every_kind_has_a_colour() -> None:
    assert set(FILLS) == set(Kind)
