"""The targets that `agent_flows` makes, and the values that `__defaults__` give."""

from __future__ import annotations

import pytest
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.engine.target import Dependencies, DependenciesRequest, Target, Targets
from pants.testutil.rule_runner import RuleRunner

from irc_pants.goals.package import AgentFlowPackageFieldSet
from irc_pants.target_types import (
    AgentFlowImageRepositoriesField,
    AgentFlowLayoutField,
    AgentFlowSourceField,
    AgentFlowTarget,
)
from irc_pants.testutil.rule_runner import FLOW, make_rule_runner


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(Targets, [DependenciesRequest])])
    files = ("flow.yaml", "a.flow.yaml", "b.flow.json", "other.yaml")
    rule_runner.write_files({f"flows/{file}": FLOW for file in files})
    return rule_runner


def generated(rule_runner: RuleRunner, build: str) -> dict[str, Target]:
    """The flows of the target `all` of a BUILD file, by the names of their files."""
    rule_runner.write_files({"flows/BUILD": build})
    generator = rule_runner.get_target(Address("flows", target_name="all"))
    request = DependenciesRequest(generator.get(Dependencies))
    flows = rule_runner.request(Targets, [request])
    return {flow[AgentFlowSourceField].value or "": flow for flow in flows}


def test_each_flow_of_the_folder_is_a_target(rule_runner: RuleRunner) -> None:
    flows = generated(rule_runner, "agent_flows(name='all')")
    assert {file: (type(flow), flow.address.spec) for file, flow in flows.items()} == {
        file: (AgentFlowTarget, f"flows/{file}:all")
        for file in ("a.flow.yaml", "b.flow.json", "flow.yaml")
    }


def test_fields_are_handed_on_and_overridden_by_file(rule_runner: RuleRunner) -> None:
    build = """\
agent_flows(
    name='all',
    sources=['*.flow.yaml', 'flow.yaml'],
    layout='zipapp',
    overrides={
        'flow.yaml': {'layout': 'packed', 'output_path': 'elsewhere'},
        'a.flow.yaml': {'image_repositories': ['agents/a']},
    },
)
"""
    flows = generated(rule_runner, build)
    assert {name: flow[AgentFlowLayoutField].value for name, flow in flows.items()} == {
        "a.flow.yaml": "zipapp",
        "flow.yaml": "packed",
    }
    assert flows["a.flow.yaml"][AgentFlowImageRepositoriesField].value == ("agents/a",)
    paths = {
        name: AgentFlowPackageFieldSet.create(flow).output_path.value_or_default(file_ending=None)
        for name, flow in flows.items()
    }
    assert paths == {"a.flow.yaml": "flows/a_agent", "flow.yaml": "elsewhere"}


def test_a_path_for_all_packages_is_refused(rule_runner: RuleRunner) -> None:
    with pytest.raises(ExecutionError, match="Unrecognized field `output_path=one`"):
        generated(rule_runner, "agent_flows(name='all', output_path='one')")


def test_a_file_that_is_no_flow_is_refused(rule_runner: RuleRunner) -> None:
    with pytest.raises(ExecutionError) as error:
        generated(rule_runner, "agent_flows(name='all', sources=['*.yaml'])")
    assert "The field `sources` of the target flows:all has the file `flows/other.yaml`" in str(
        error.value
    )


def test_defaults_of_a_folder_hold_for_flows_below_it(rule_runner: RuleRunner) -> None:
    defaults = "__defaults__({(agent_flow, agent_flows): dict(layout='zipapp')})\n"
    rule_runner.write_files(
        {
            "BUILD": f"{defaults}python_requirement(name='pex', requirements=['pex'])",
            "flows/one/BUILD": "agent_flow(name='agent')\nagent_flow(name='own', layout='packed')",
            "flows/one/flow.yaml": FLOW,
        }
    )
    flows = generated(rule_runner, "agent_flows(name='all')")
    assert {flow[AgentFlowLayoutField].value for flow in flows.values()} == {"zipapp"}
    layouts = [
        rule_runner.get_target(Address("flows/one", target_name=name))[AgentFlowLayoutField].value
        for name in ("agent", "own")
    ]
    assert layouts == ["zipapp", "packed"]
