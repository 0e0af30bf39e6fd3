"""What the compiler says of flows, as the goal `check` tells it."""

from __future__ import annotations

import pytest
from pants.core.goals.check import CheckResults
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.goals.check import AgentFlowCheckFieldSet, AgentFlowCheckRequest
from irc_pants.testutil.rule_runner import make_rule_runner, set_options


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(CheckResults, [AgentFlowCheckRequest])])
    rule_runner.write_files(
        {
            f"flows/{name}/{file}": content
            for name, flow in (("good", "good"), ("ugly", "broken"))
            for file, content in (("BUILD", "agent_flow(name='agent')"), ("flow.yaml", flow))
        }
    )
    return rule_runner


def results_of(rule_runner: RuleRunner, *names: str) -> CheckResults:
    targets = [rule_runner.get_target(Address(f"flows/{x}", target_name="agent")) for x in names]
    field_sets = tuple(AgentFlowCheckFieldSet.create(target) for target in targets)
    return rule_runner.request(CheckResults, [AgentFlowCheckRequest(field_sets)])


def test_each_flow_has_its_result(rule_runner: RuleRunner) -> None:
    results = results_of(rule_runner, "good", "ugly")
    assert results.checker_name == "irc"
    assert [(r.partition_description, r.exit_code) for r in results.results] == [
        ("flows/good:agent", 0),
        ("flows/ugly:agent", 1),
    ]
    assert "flows/ugly/flow.yaml" in results.results[1].stdout


def test_check_can_be_skipped(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"irc-skip": "true"})
    assert results_of(rule_runner, "ugly").skipped
    set_options(rule_runner)
