"""Running the generated tests."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from pants.backend.python.goals.coverage_py import PytestCoverageData
from pants.core.goals.test import TestDebugRequest, TestResult
from pants.core.util_rules.partitions import Partitions
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, mock_console

from irc_pants.goals.test import AgentFlowTestRequest
from irc_pants.testutil.rule_runner import make_rule_runner, set_options
from irc_pants.util_rules.agent_tests import (
    AgentFlowTestFieldSet,
    AgentFlowTestSetup,
    AgentFlowTestSetupRequest,
)
from irc_pants.util_rules.compile_flows import CompileFlowsRequest, FallibleCompiledFlows

FLOWS = {
    "good": "good",
    "fine": "fine",
    "bad": "fail",
    "ugly": "broken",
    "unreadable": "unreadable",
    "apart": "with a requirement more",
    "importing": "good, but for what it imports",
}


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(TestResult, [AgentFlowTestRequest.Batch]),
            QueryRule(TestDebugRequest, [AgentFlowTestRequest.Batch]),
            QueryRule(Partitions, [AgentFlowTestRequest.PartitionRequest]),
            QueryRule(FallibleCompiledFlows, [CompileFlowsRequest]),
            QueryRule(AgentFlowTestSetup, [AgentFlowTestSetupRequest]),
        ]
    )
    rule_runner.write_files(
        {
            f"flows/{name}/{file}": content
            for name, flow in FLOWS.items()
            for file, content in (("BUILD", "agent_flow(name='agent')"), ("flow.yaml", flow))
        }
    )
    rule_runner.write_files(
        {
            "flows/apart/BUILD": (
                "python_requirement(name='other', requirements=['pex'], modules=['other'])\n"
                "agent_flow(name='agent', dependencies=[':other'])\n"
            ),
            "flows/importing/BUILD": "agent_flow(name='agent', dependencies=['flows/ugly:agent'])",
        }
    )
    return rule_runner


def field_sets_of(rule_runner: RuleRunner, *names: str) -> tuple[AgentFlowTestFieldSet, ...]:
    return tuple(
        AgentFlowTestFieldSet.create(
            rule_runner.get_target(Address(f"flows/{name}", target_name="agent"))
        )
        for name in names
    )


def partitions_of(rule_runner: RuleRunner, *names: str) -> Any:
    request = AgentFlowTestRequest.PartitionRequest(field_sets_of(rule_runner, *names))
    return rule_runner.request(Partitions, [request])


def batch_of(rule_runner: RuleRunner, *names: str) -> AgentFlowTestRequest.Batch[Any, Any]:
    [partition] = partitions_of(rule_runner, *names)
    return AgentFlowTestRequest.Batch("", partition.elements, partition.metadata)


def result_of(rule_runner: RuleRunner, *names: str) -> TestResult:
    return rule_runner.request(TestResult, [batch_of(rule_runner, *names)])


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
    assert result.xml_results is not None
    [report] = rule_runner.request(DigestContents, [result.xml_results.digest])
    [case] = ElementTree.fromstring(report.content).iter("testcase")
    assert case.get("classname") == "__generated_tests__.flows.bad.test_agent"
    assert [found.tag for found in case] == ["failure"]


def test_a_flow_that_does_not_compile_fails_with_its_diagnostics(rule_runner: RuleRunner) -> None:
    result = result_of(rule_runner, "ugly")
    assert result.exit_code == 1
    assert result.stdout == "flows/ugly/flow.yaml:1:1: error[E101]: it is broken"


def test_flows_with_the_same_requirements_share_a_process(rule_runner: RuleRunner) -> None:
    result = result_of(rule_runner, "good", "fine")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout
    assert [address.spec for address in result.addresses] == [
        "flows/good:agent",
        "flows/fine:agent",
    ]
    assert result.xml_results is not None
    assert result.xml_results.files == ("batch-of-flows.good.agent+1-flows.xml",)


def test_flows_with_other_requirements_do_not(rule_runner: RuleRunner) -> None:
    found = partitions_of(rule_runner, "good", "apart", "fine")
    assert [[field_set.address.spec_path for field_set in part.elements] for part in found] == [
        ["flows/good", "flows/fine"],
        ["flows/apart"],
    ]


@pytest.mark.parametrize(
    "other, found",
    [
        ("bad", "FAILED __generated_tests__/flows/bad/test_agent.py::test_flow"),
        ("ugly", "flows/ugly/flow.yaml:1:1: error[E101]: it is broken"),
        ("unreadable", "ERROR __generated_tests__/flows/unreadable/test_agent.py"),
    ],
)
def test_a_flow_that_fails_hides_no_other(rule_runner: RuleRunner, other: str, found: str) -> None:
    result = result_of(rule_runner, "good", other, "fine")
    assert result.exit_code == 1
    assert found in result.stdout
    assert "2 passed" in result.stdout
    assert result.xml_results is not None


@pytest.mark.parametrize("names", [("good", "importing"), ("good", "importing", "ugly")])
def test_a_flow_whose_agent_imports_one_that_does_not_compile_hides_no_other(
    rule_runner: RuleRunner, names: tuple[str, ...]
) -> None:
    result = result_of(rule_runner, *names)
    assert result.exit_code == 1
    assert (
        "flows/importing:agent depends on flows/ugly:agent, which does not compile.\n\n"
        "flows/ugly/flow.yaml:1:1: error[E101]: it is broken"
    ) in result.stdout
    assert "1 passed" in result.stdout


def test_timeouts_add_up(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"test-timeout-default": "7"})
    [partition] = partitions_of(rule_runner, "good", "fine")
    compiled = rule_runner.request(
        FallibleCompiledFlows,
        [CompileFlowsRequest(tuple(field_set.sources for field_set in partition.elements))],
    )
    request = AgentFlowTestSetupRequest(
        partition.elements,
        tuple(flow.compiled for flow in compiled if flow.compiled is not None),
        partition.metadata,
        is_debug=False,
    )
    setup = rule_runner.request(AgentFlowTestSetup, [request])
    assert setup.process.timeout_seconds == 14
    set_options(rule_runner)


def test_coverage_counts_the_agents_of_a_batch(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"test-use-coverage": "true"})
    result = result_of(rule_runner, "good", "fine")
    assert isinstance(result.coverage_data, PytestCoverageData)
    assert [address.spec for address in result.coverage_data.addresses] == [
        "flows/good:agent",
        "flows/fine:agent",
        "src/irc_runtime/testing.py",
    ]
    set_options(rule_runner)


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
    request = rule_runner.request(TestDebugRequest, [batch_of(rule_runner, "good", "fine")])
    with mock_console(rule_runner.options_bootstrapper):
        assert rule_runner.run_interactive_process(request.process).exit_code == 0
