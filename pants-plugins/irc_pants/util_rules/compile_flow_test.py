"""Compiling a flow, and what its author reads when it does not compile."""

from __future__ import annotations

import json
import logging

import pytest
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.target_types import AgentFlowSourceField
from irc_pants.testutil.rule_runner import cause_of, make_rule_runner
from irc_pants.util_rules.compile_flow import (
    CompiledFlow,
    CompileFlowRequest,
    FallibleCompiledFlow,
    FlowCompilationError,
)


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner(
        [
            QueryRule(CompiledFlow, [CompileFlowRequest]),
            QueryRule(FallibleCompiledFlow, [CompileFlowRequest]),
        ]
    )


def request_for(rule_runner: RuleRunner, folder: str, flow: str) -> CompileFlowRequest:
    rule_runner.write_files(
        {f"{folder}/BUILD": "agent_flow(name='agent')", f"{folder}/flow.yaml": flow}
    )
    target = rule_runner.get_target(Address(folder, target_name="agent"))
    return CompileFlowRequest(target[AgentFlowSourceField])


def test_files_stand_below_the_source_root(rule_runner: RuleRunner) -> None:
    request = request_for(rule_runner, "src/shop", "fine")
    compiled = rule_runner.request(CompiledFlow, [request])
    assert (compiled.agent, compiled.source_root) == ("shop/agent.py", "src")
    contents = rule_runner.request(DigestContents, [compiled.digest])
    assert [file.path for file in contents] == [
        "shop/agent.json",
        "shop/agent.map.json",
        "shop/agent.py",
        "shop/test_agent.py",
    ]


def test_the_compiler_finds_every_file_that_the_flow_is_made_of(rule_runner: RuleRunner) -> None:
    files = {
        "src/desk/code/rank.py": "",
        "src/desk/prompts/ask.j2": '{% include "prompts/rules.j2" %}',
        "src/desk/prompts/rules.j2": "",
        "src/desk/prompts/tool.md": "",
        "src/shop/order.json": '{"$ref": "money.json"}',
        "src/shop/money.json": "{}",
    }
    flow = """\
nodes:
  rank:
    transform: {mode: code, spec: {file: code/rank.py}}
    outputs: [{name: order, schema: {$ref: "shop:order.json"}}]
  ask:
    prompt:
      template: {file: prompts/ask.j2}
      tools: [{description: {file: prompts/tool.md}}]
"""
    rule_runner.write_files({**files, "src/desk/unused.txt": ""})
    request = request_for(rule_runner, "src/desk", flow)
    compiled = rule_runner.request(CompiledFlow, [request])
    contents = rule_runner.request(DigestContents, [compiled.digest])
    [summary] = [json.loads(file.content) for file in contents if file.path == "desk/agent.json"]
    assert set(summary["files"]) == {"src/desk/flow.yaml", *files}


def test_diagnostics_reach_the_author_as_they_are(rule_runner: RuleRunner) -> None:
    request = request_for(rule_runner, "flows", "broken")
    with pytest.raises(ExecutionError) as error:
        rule_runner.request(CompiledFlow, [request])
    cause = cause_of(error.value)
    assert isinstance(cause, FlowCompilationError)
    assert str(cause) == (
        "flows:agent does not compile.\n\nflows/flow.yaml:1:1: error[E101]: it is broken\n"
    )


def test_a_caller_may_take_diagnostics_for_a_result(rule_runner: RuleRunner) -> None:
    request = request_for(rule_runner, "flows", "broken")
    result = rule_runner.request(FallibleCompiledFlow, [request])
    assert result.compiled is None
    assert result.diagnostics == "flows/flow.yaml:1:1: error[E101]: it is broken"


def test_warnings_are_shown(rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture) -> None:
    request = request_for(rule_runner, "flows", "odd")
    with caplog.at_level(logging.WARNING):
        rule_runner.request(CompiledFlow, [request])
    assert "flows:agent:\nflows/flow.yaml:1:1: warning[W101]: it is odd" in caplog.messages
