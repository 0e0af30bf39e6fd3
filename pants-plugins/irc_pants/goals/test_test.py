"""Running the generated tests."""

from __future__ import annotations

from typing import Any

import pytest
from pants.backend.python.goals.coverage_py import PytestCoverageData
from pants.core.goals.test import TestDebugRequest, TestResult
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, mock_console

from irc_pants.goals.test import AgentFlowTestFieldSet, AgentFlowTestRequest
from irc_pants.testutil.rule_runner import make_rule_runner, set_options


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(TestResult, [AgentFlowTestRequest.Batch]),
            QueryRule(TestDebugRequest, [AgentFlowTestRequest.Batch]),
        ]
    )
    rule_runner.write_files(
        {
            f"flows/{name}/{file}": content
            for name, flow in (("good", "good"), ("bad", "fail"), ("ugly", "broken"))
            for file, content in (("BUILD", "agent_flow(name='agent')"), ("flow.yaml", flow))
        }
    )
    return rule_runner


def batch_of(rule_runner: RuleRunner, name: str) -> AgentFlowTestRequest.Batch[Any, Any]:
    target = rule_runner.get_target(Address(f"flows/{name}", target_name="agent"))
    field_set = AgentFlowTestFieldSet.create(target)
    return AgentFlowTestRequest.Batch("", (field_set,), None)


def result_of(rule_runner: RuleRunner, name: str) -> TestResult:
    return rule_runner.request(TestResult, [batch_of(rule_runner, name)])


def test_tests_that_pass_are_reported(rule_runner: RuleRunner) -> None:
    result = result_of(rule_runner, "good")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout
    assert result.xml_results is not None
    assert result.xml_results.files == ("flows.good.agent.xml",)


def test_tests_that_fail_are_reported(rule_runner: RuleRunner) -> None:
    result = result_of(rule_runner, "bad")
    assert result.exit_code == 1
    assert "1 failed" in result.stdout


def test_a_flow_that_does_not_compile_fails_with_its_diagnostics(rule_runner: RuleRunner) -> None:
    result = result_of(rule_runner, "ugly")
    assert result.exit_code == 1
    assert result.stdout == "flows/ugly/flow.yaml:1:1: error[E101]: it is broken"


def test_coverage_counts_the_agent(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"test-use-coverage": "true"})
    result = result_of(rule_runner, "good")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert isinstance(result.coverage_data, PytestCoverageData)
    # What they run besides the agent is read for the report, too.
    assert [address.spec for address in result.coverage_data.addresses] == [
        "flows/good:agent",
        "src/irc_runtime/testing.py",
    ]
    set_options(rule_runner)


def test_tests_run_interactively(rule_runner: RuleRunner) -> None:
    request = rule_runner.request(TestDebugRequest, [batch_of(rule_runner, "good")])
    with mock_console(rule_runner.options_bootstrapper):
        assert rule_runner.run_interactive_process(request.process).exit_code == 0
