"""MyPy, the real one, on agents that the stand-in for the compiler writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants.backend.python.typecheck.mypy import register as pants_mypy
from pants.core.goals.check import CheckResults
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.mypy import register
from irc_pants.mypy.rules import AgentFlowMyPyFieldSet, AgentFlowMyPyRequest
from irc_pants.testutil.rule_runner import make_rule_runner, set_options

OPTIONS = {
    "python-resolves": (
        "{'python-default': 'default.lock', 'pytest': 'pytest.lock', 'mypy': 'mypy.lock'}"
    ),
    "mypy-install-from-resolve": "mypy",
    "mypy-interpreter-constraints": "['==3.11.*']",
}
FLOWS = {
    "good": "good",
    "mistyped": "mistyped",
    "skipped": "mistyped",
    "broken": "broken",
    "carrying": "good, but for what it imports",
    "importing": "# imports shop\nnodes: {a: {transform: {mode: code, spec: 'import shop.price'}}}",
}


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [QueryRule(CheckResults, [AgentFlowMyPyRequest])], pants_mypy, register
    )
    rule_runner.write_files(
        {
            **{f"flows/{name}/flow.yaml": flow for name, flow in FLOWS.items()},
            **{f"flows/{name}/BUILD": "agent_flow(name='agent')" for name in FLOWS},
            "flows/skipped/BUILD": "agent_flow(name='agent', skip_mypy=True)",
            "flows/carrying/BUILD": "agent_flow(name='agent', dependencies=['flows/broken:agent'])",
            "src/shop/BUILD": "python_sources()",
            "src/shop/price.py": "TAX = '19'\n",
            "mypy.lock": Path("3rdparty/python/mypy.lock").read_text(),
            "mypy.ini": "[mypy]\n",
        }
    )
    set_options(rule_runner, OPTIONS)
    return rule_runner


def check(rule_runner: RuleRunner, *names: str) -> tuple[int, list[str]]:
    """The exit status, and the lines that name files."""
    targets = [rule_runner.get_target(Address(f"flows/{x}", target_name="agent")) for x in names]
    field_sets = tuple(
        AgentFlowMyPyFieldSet.create(target)
        for target in targets
        if AgentFlowMyPyFieldSet.is_applicable(target)
    )
    results = rule_runner.request(CheckResults, [AgentFlowMyPyRequest(field_sets)])
    lines = "\n".join(result.stdout for result in results.results).splitlines()
    return results.exit_code, [line for line in lines if ".py:" in line]


def test_types_of_generated_agents_and_of_what_they_import_are_checked(
    rule_runner: RuleRunner,
) -> None:
    assert check(rule_runner, "good") == (0, [])
    status, lines = check(rule_runner, "good", "mistyped", "importing")
    assert status == 1
    mistake = "error: Incompatible types in assignment"
    assert [line.partition(" (")[0] for line in sorted(lines)] == [
        f"flows/importing/agent.py:3: {mistake}",
        f"flows/mistyped/agent.py:2: {mistake}",
    ]


def test_settings_are_the_repositorys(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"mypy.ini": "[mypy]\ndisable_error_code = assignment\n"})
    assert check(rule_runner, "mistyped") == (0, [])
    rule_runner.write_files({"mypy.ini": "[mypy]\n"})
    set_options(rule_runner, {**OPTIONS, "mypy-args": "['--disable-error-code=assignment']"})
    assert check(rule_runner, "mistyped") == (0, [])
    set_options(rule_runner, OPTIONS)


def test_flows_that_do_not_compile_or_are_skipped_are_left_out(rule_runner: RuleRunner) -> None:
    assert check(rule_runner, "broken", "skipped") == (0, [])
    status, lines = check(rule_runner, "broken", "skipped", "mistyped")
    assert (status, len(lines)) == (1, 1)


def test_an_agent_that_imports_one_that_does_not_compile_hides_no_other(
    rule_runner: RuleRunner,
) -> None:
    names = ("good", "carrying")
    targets = [rule_runner.get_target(Address(f"flows/{x}", target_name="agent")) for x in names]
    field_sets = tuple(map(AgentFlowMyPyFieldSet.create, targets))
    results = rule_runner.request(CheckResults, [AgentFlowMyPyRequest(field_sets)])
    good, carrying = results.results
    assert good.exit_code == 0
    assert carrying.exit_code == 1
    assert carrying.stdout.startswith(
        "flows/carrying:agent depends on flows/broken:agent, which does not compile.\n\n"
        "flows/broken/flow.yaml:1:1: error[E101]"
    )


def test_mypy_can_be_skipped(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {**OPTIONS, "mypy-skip": "true"})
    assert check(rule_runner, "mistyped") == (0, [])
    set_options(rule_runner, OPTIONS)


def test_agent_flows_hands_the_field_on(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"flows/skipped/BUILD": "agent_flows(name='all', skip_mypy=True)"})
    address = Address("flows/skipped", target_name="all", relative_file_path="flow.yaml")
    assert not AgentFlowMyPyFieldSet.is_applicable(rule_runner.get_target(address))
