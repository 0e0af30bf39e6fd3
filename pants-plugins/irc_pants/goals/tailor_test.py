"""What `tailor` adds to BUILD files for flows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants.core.goals.tailor import TailorGoal
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import FLOW, INHERITED, OPTIONS, make_rule_runner

PROMPTS = """\
nodes:
  one:
    inputs: [{name: order, schema: {$ref: order.json}}]
    prompt: {template: {file: prompts/ask.j2}, system: {file: ../shared/system.md}}
"""


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner(())


def build_file(rule_runner: RuleRunner, folder: str, files: dict[str, str], *options: str) -> str:
    """The BUILD file that a folder has afterwards."""
    rule_runner.write_files({f"{folder}/{name}": content for name, content in files.items()})
    result = rule_runner.run_goal_rule(
        TailorGoal,
        global_args=[*(f"--{name}={value}" for name, value in OPTIONS.items()), *options],
        args=[f"{folder}::"],
        env_inherit=INHERITED,
    )
    assert result.exit_code == 0
    build = Path(rule_runner.build_root, folder, "BUILD")
    return build.read_text() if build.exists() else ""


def test_one_flow_is_an_agent_flow(rule_runner: RuleRunner) -> None:
    added = build_file(rule_runner, "flows/one", {"flow.yaml": FLOW, "greet.py": ""})
    assert added == 'agent_flow(\n    name="agent",\n)\n\npython_sources()\n'


def test_a_flow_of_another_name_names_its_file(rule_runner: RuleRunner) -> None:
    added = build_file(rule_runner, "flows/named", {"a-b.flow.json": "{}", "other.yaml": ""})
    assert added == 'agent_flow(\n    name="a_b_agent",\n    source="a-b.flow.json",\n)\n'


def test_several_flows_are_agent_flows(rule_runner: RuleRunner) -> None:
    added = build_file(rule_runner, "flows/some", {"flow.yaml": FLOW, "b.flow.yaml": FLOW})
    assert added == 'agent_flows(\n    name="agents",\n)\n'


def test_a_second_flow_beside_one_with_a_target_is_its_own(rule_runner: RuleRunner) -> None:
    files = {"BUILD": 'agent_flow(name="agent")\n', "flow.yaml": FLOW}
    assert build_file(rule_runner, "flows/second", files) == files["BUILD"]
    added = build_file(rule_runner, "flows/second", {"b.flow.yaml": FLOW, "c.flow.yaml": FLOW})
    assert 'agent_flows(\n    name="agents",\n    sources=[' in added
    assert build_file(rule_runner, "flows/second", {}) == added


def test_files_of_flows_are_resources(rule_runner: RuleRunner) -> None:
    files = {
        "a/flow.yaml": PROMPTS,
        "a/order.json": "{}",
        "a/prompts/ask.j2": "{% include 'prompts/rules.j2' %}",
        "a/prompts/rules.j2": "",
        "shared/system.md": "",
    }
    build_file(rule_runner, "flows/files", files)
    added = Path(rule_runner.build_root, "flows/files/a/BUILD").read_text()
    assert added == (
        'agent_flow(\n    name="agent",\n)\n\n'
        'resources(\n    name="flow_files",\n    sources=[\n'
        '        "order.json",\n        "prompts/*.j2",\n    ],\n)\n'
    )
    # A folder above is somebody else's; without an owner, the check of the flow names it.
    assert not Path(rule_runner.build_root, "flows/files/shared/BUILD").exists()


def test_a_flow_that_cannot_be_read_is_a_target_too(rule_runner: RuleRunner) -> None:
    assert "agent_flow(" in build_file(rule_runner, "flows/broken", {"flow.yaml": "a: ["})


def test_tailor_can_be_told_to_leave_flows_alone(rule_runner: RuleRunner) -> None:
    files = {"flow.yaml": FLOW}
    assert build_file(rule_runner, "flows/alone", files, "--no-irc-tailor") == ""
