"""``irc diff``: what is said of each kind of change, and what callers see of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.irc.cli.calling import environment, status

FLOW = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [query], optional: [locale]}
nodes:
  answer:
    position: {x: 1, y: 2}
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: string}, {name: score, type: number}]
    prompt:
      system: |
        Be brief.
        Be kind.
      template: {file: prompts/answer.j2}
      model: {provider: openai, name: gpt-4o-mini}
      output_schema:
        type: object
        required: [text, score]
        properties: {text: {type: string}, score: {type: number, maximum: 1}}
    runtime: {retries: 2}
  shout:
    inputs: [{name: text, type: string}]
    outputs: [{name: text, type: string}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            return inputs["text"].upper()
edges:
  - {from: _input.query, to: answer.query}
  - {from: answer.text, to: shout.text}
  - {from: shout.text, to: _output.text}
  - {from: answer.score, to: _output.score}
deployment: {kserve: {max_replicas: 2}}
tests:
  - {name: first, request: {query: a}, expect: {status: 200}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        (tmp_path / name / "prompts").mkdir(parents=True)
        (tmp_path / name / "flow.yaml").write_text(FLOW)
        (tmp_path / name / "prompts/answer.j2").write_text("Question:\n{{ query }}\n")
    return tmp_path


def edited(*edits: tuple[str, str]) -> None:
    text = FLOW
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    Path("new/flow.yaml").write_text(text)


def said(capsys: pytest.CaptureFixture[str], expected: int = 1) -> list[str]:
    assert status("diff", "old/flow.yaml", "new/flow.yaml") == expected
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "edit",
    [
        ("", ""),
        ("metadata: {name: sample}", "metadata:\n  name: sample  # the name"),
        ("{x: 1, y: 2}", "{x: 5, y: 5}"),
        ("runtime: {retries: 2}", "runtime: {retries: 2, timeout_ms: 30000}"),
        ("version:", "x-editor: 1\nversion:"),
    ],
    ids=["nothing", "layout", "position", "a default written out", "other tools"],
)
def test_what_says_nothing_is_no_difference(
    edit: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    edited(edit)
    assert said(capsys, expected=0) == []


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (("name: gpt-4o-mini", "name: gpt-4o"),
         ["~ nodes.answer.prompt.model.name: gpt-4o-mini -> gpt-4o"]),
        (("Be kind.", "Be frank."),
         ["~ nodes.answer.prompt.system", "    @@ -1,2 +1,2 @@", "     Be brief.", "    -Be kind.", "    +Be frank."]),
        ((".upper()", ".title()"),
         ["~ nodes.shout.transform.spec", "    @@ -1,2 +1,2 @@", "     def transform(inputs, context, state):",
          '    -    return inputs["text"].upper()', '    +    return inputs["text"].title()']),
        (("maximum: 1}", "maximum: 10}"),
         ["~ nodes.answer.prompt.output_schema.properties.score.maximum: 1 -> 10"]),
        (("retries: 2", "retries: 3, cache: {ttl_seconds: 5}"),
         ["~ nodes.answer.runtime.retries: 2 -> 3",
          '~ nodes.answer.runtime.cache: null -> {"ttl_seconds": 5.0, "max_entries": 1024}']),
        (("to: shout.text}", "to: shout.text, condition: len(text) > 0}"),
         ["~ edges: answer.text -> shout.text -> answer.text -> shout.text if len(text) > 0"]),
        (("max_replicas: 2", "max_replicas: 4"), ["~ deployment.kserve.max_replicas: 2 -> 4"]),
        (("expect: {status: 200}", "expect: {status: 400}"), ["~ tests.first.expect.status: 200 -> 400"]),
        (("edges:", "on_error: shout\nedges:"), ["~ on_error: null -> shout"]),
        (("metadata: {name: sample}", "metadata: {name: sample, tags: [a]}"), ['~ metadata.tags: [] -> ["a"]']),
        (("  shout:\n", "  more:\n    transform: {mode: code, spec: {file: a.py}}\n  shout:\n"), ["+ nodes.more"]),
    ],
)  # fmt: skip
def test_each_part_is_named(
    edit: tuple[str, str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    edited(edit)
    assert said(capsys) == lines


def test_text_of_a_prompt_file_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new/prompts/answer.j2").write_text("Question:\n{{ query | trim }}\n")
    assert said(capsys) == [
        "~ nodes.answer.prompt.template.(content)",
        "    @@ -1,2 +1,2 @@",
        "     Question:",
        "    -{{ query }}",
        "    +{{ query | trim }}",
    ]


@pytest.mark.parametrize(
    ("edits", "impact", "text"),
    [
        ([("optional: [locale]", "optional: [locale, plan]")], "compatible",
         "the request's 'plan' is new and optional"),
        ([("requires: [query]", "requires: [query, plan]")], "breaking",
         "the request's 'plan' is new and required"),
        ([("requires: [query], optional: [locale]", "requires: [query, locale]")], "breaking",
         "the request's 'locale' is now required"),
        ([(", optional: [locale]", "")], "compatible",
         "the request's 'locale' is not asked for any more"),
        ([("{name: query, type: string}", "{name: query, type: string, schema: {maxLength: 9}}")], "unclear",
         "what the request's 'query' must be has another type or schema"),
        ([("  - {from: answer.score, to: _output.score}\n", "")], "breaking",
         "'score' of the response is gone"),
        ([("to: _output.score}", "to: _output.points}")], "breaking", "'score' of the response is gone"),
        ([("to: _output.score}", "to: _output.score}\n  - {from: answer.text, to: _output.raw}")],
         "compatible", "'raw' of the response is new"),
        ([("{name: score, type: number}", "{name: score, type: string}")], "breaking",
         "'score' of the response is string, not number"),
        ([("{name: score, type: number}", "{name: score, type: number, schema: {minimum: 0}}")], "unclear",
         "'score' of the response has another schema"),
        ([("to: _output.score}", "to: _output.score, condition: score > 0}")], "breaking",
         "'score' of the response may be missing"),
        ([("  - {from: answer.score, to: _output.score}\n", ""), ("to: _output.text", "to: _output")],
         "breaking", "the response is one value"),
        ([("name: sample", "name: other")], "breaking", "the model is 'other', not 'sample'"),
        ([("kserve: {", "kserve: {namespace: a, ")], "breaking", "the namespace is 'a', not the default"),
    ],
)  # fmt: skip
def test_callers_are_told(
    edits: list[tuple[str, str]], impact: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(*edits)
    lines = said(capsys)
    assert lines[0] == f"contract: {impact}"
    assert f"  {impact}: {text}" in lines


def test_inner_changes_are_none_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    edited(("Be kind.", "Be frank."), ("retries: 2", "retries: 3"))
    assert not any("contract" in line for line in said(capsys))


def test_precedence_of_edges_to_one_target_counts(capsys: pytest.CaptureFixture[str]) -> None:
    two = "{from: shout.text, to: _output.text, condition: text}"
    one = "{from: answer.text, to: _output.text, condition: text}"
    text = FLOW.replace("{from: shout.text, to: _output.text}", f"{one}\n  - {two}")
    Path("old/flow.yaml").write_text(text)
    Path("new/flow.yaml").write_text(text.replace(f"{one}\n  - {two}", f"{two}\n  - {one}"))
    assert said(capsys) == [
        '~ edges to _output.text.(order): ["answer.text", "shout.text"] -> ["shout.text", "answer.text"]'
    ]


def test_json_has_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    edited(("max_replicas: 2", "max_replicas: 4"), ("requires: [query]", "requires: [query, a]"))
    assert status("diff", "old/flow.yaml", "new/flow.yaml", "--format", "json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["impact"] == "breaking"
    assert document["contract"] == [
        {"impact": "breaking", "text": "the request's 'a' is new and required"}
    ]
    assert document["changes"][-1] == {
        "place": "deployment.kserve.max_replicas", "kind": "changed", "before": 2, "after": 4
    }  # fmt: skip


@pytest.mark.parametrize("text", ["a: [", "version: '1.0'\nnodes: {}\n"])
def test_broken_flow_is_trouble(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new/flow.yaml").write_text(text)
    assert status("diff", "old/flow.yaml", "new/flow.yaml") == 2
    assert "error[E" in capsys.readouterr().err
    assert status("diff", "old/flow.yaml", "absent.yaml") == 2


def test_old_version_may_come_through_a_pipe() -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    edited(("retries: 2", "retries: 3"))
    done = subprocess.run(
        ["bash", "-c", '"$0" -m irc diff <(cat old/flow.yaml) new/flow.yaml', sys.executable],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "~ nodes.answer.runtime.retries: 2 -> 3\n"
