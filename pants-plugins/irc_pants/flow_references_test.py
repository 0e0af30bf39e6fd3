"""What is read from a flow in the engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from irc_pants.file_references import FlowPlace
from irc_pants.flow_references import find_references
from irc_pants.yaml_tree import load_yaml

AT_ROOT = FlowPlace("flow.yaml", ".")
IN_JSON = FlowPlace("flow.json", ".")
IN_FOLDER = FlowPlace("flows/support/flow.yaml", ".")

GOLDEN = sorted(Path("tests/golden").glob("*/expected/*agent.json"))


@pytest.mark.parametrize("summary", GOLDEN, ids=lambda path: path.parts[-3])
def test_no_module_of_the_runtime_that_an_agent_imports_is_left_out(summary: Path) -> None:
    agent = json.loads(summary.read_bytes())
    flow = summary.parents[1] / Path(agent["flow"]).name
    references = find_references(FlowPlace(str(flow), "."), flow.read_bytes())
    imported = {module for module in agent["imports"] if module.startswith("irc_runtime.")}
    assert imported <= set(references.runtime)


def test_there_are_agents_to_hold_the_modules_against() -> None:
    assert GOLDEN


def test_paths_are_relative_to_the_flow() -> None:
    flow = b"nodes: {a: {prompt: {template: {file: ../shared/./ask.j2}, system: {file: own.j2}}}}"
    references = find_references(IN_FOLDER, flow)
    assert references.paths == ("flows/shared/ask.j2", "flows/support/own.j2")


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../x", "../.."])
def test_paths_outside_the_repository_are_left_to_the_compiler(path: str) -> None:
    flow = json.dumps({"nodes": {"a": {"prompt": {"template": {"file": path}}}}}).encode()
    assert find_references(IN_FOLDER, flow).paths == ()


@pytest.mark.parametrize(
    ("target", "entry"), [("kserve", "serving"), ("local", "serving"), ("lambda", "aws_lambda")]
)
def test_the_target_decides_what_starts_the_agent(target: str, entry: str) -> None:
    references = find_references(AT_ROOT, f"deployment: {{target: {target}}}".encode())
    assert references.target == target
    started_by = {"irc_runtime.serving", "irc_runtime.aws_lambda"} & set(references.runtime)
    assert started_by == {f"irc_runtime.{entry}"}


def test_templates_and_schemas_name_files_from_within_the_flow() -> None:
    flow = b"""\
nodes:
  ask:
    inputs: [{name: a, schema: {$ref: input.json}}]
    outputs: [{name: b, schema: {items: {$ref: "shop.schemas:output.json"}}}]
    error: {schema: {$ref: error.yaml}}
    prompt:
      template: 'Hello {% include "rules.j2" %}'
      system: '{% import "macros.j2" as macros %}'
      output_schema: {$ref: answer.json}
      tools: [{parameters: {$ref: tool.json}}]
tests: [{expect: {output_schema: {$ref: "../response.json"}}}]
"""
    assert find_references(IN_FOLDER, flow).paths == (
        "flows/response.json",
        "flows/support/answer.json",
        "flows/support/error.yaml",
        "flows/support/input.json",
        "flows/support/macros.j2",
        "flows/support/rules.j2",
        "flows/support/tool.json",
        "shop/schemas/output.json",
    )


def test_json_is_read_as_json() -> None:
    flow = b'{"nodes":\t{"a": {"transform": {"spec": {"function": "shared.text:clean"}}}}}'
    assert find_references(IN_JSON, flow).functions == ("shared.text",)


@pytest.mark.parametrize("flow", [AT_ROOT, IN_JSON])
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"[" * 100_000])
def test_what_cannot_be_read_refers_to_nothing(flow: FlowPlace, content: bytes) -> None:
    assert find_references(flow, content) == find_references(flow, b"{}")


def test_depth_neither_ends_the_process_nor_holds_it_up() -> None:
    for opening in (b"[", b"{", b"- ", b"? "):
        assert not find_references(AT_ROOT, opening * 1_000_000).paths


def test_an_alias_is_the_object_that_it_names() -> None:
    levels = b"".join(b"l%d: &l%d [%s]\n" % (i, i, b"*l%d, " % (i - 1) * 9) for i in range(1, 30))
    tree = load_yaml(b"l0: &l0 [lol]\n" + levels)
    assert tree["l29"][0] is tree["l29"][8] is tree["l28"]
