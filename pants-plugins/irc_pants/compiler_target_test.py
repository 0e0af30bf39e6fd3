"""What a flow is compiled by, as Pants sees it."""

from __future__ import annotations

import pytest
from pants.engine.addresses import Address, Addresses
from pants.engine.rules import QueryRule
from pants.engine.target import Dependencies, DependenciesRequest
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import make_rule_runner, set_options

COMPILER = Address("", target_name="_irc_compiler")


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner([QueryRule(Addresses, [DependenciesRequest])])


def dependencies(rule_runner: RuleRunner, address: Address, *, all_kinds: bool = False) -> set[str]:
    field = rule_runner.get_target(address)[Dependencies]
    request = DependenciesRequest(field, include_special_cased_deps=all_kinds)
    return {address.spec for address in rule_runner.request(Addresses, [request])}


def test_a_flow_depends_on_the_compiler_and_does_not_carry_it(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"flows/BUILD": "agent_flow(name='agent')", "flows/flow.yaml": ""})
    flow = Address("flows", target_name="agent")
    assert "//:_irc_compiler" in dependencies(rule_runner, flow, all_kinds=True)
    assert "//:_irc_compiler" not in dependencies(rule_runner, flow)


def test_the_compiler_is_what_builds_call(rule_runner: RuleRunner) -> None:
    commands = ("compile", "image", "manifest", "package", "sbom")
    assert dependencies(rule_runner, COMPILER) == {
        "//default.lock:_python-default_lockfile",
        "src/irc/__main__.py",
        *(f"src/irc/cli/{command}.py" for command in commands),
        "src/irc_runtime/testing.py",
    }


def test_operations_are_part_of_the_compiler(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"irc-operations": "['src/acme']"})
    rule_runner.write_files({"src/acme/BUILD": "python_sources()", "src/acme/ops.py": ""})
    assert "src/acme:acme" in dependencies(rule_runner, COMPILER)
    set_options(rule_runner)


def test_without_a_compiler_there_is_nothing_to_depend_on(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"irc-install-from-resolve": "pytest"})
    assert dependencies(rule_runner, COMPILER) == {
        "//pytest.lock:_pytest_lockfile",
        # Code of tests, whichever resolve has it.
        "src/irc_runtime/testing.py",
    }
    set_options(rule_runner)
