"""Compiling many flows at once: what comes of each, and which share a process."""

from __future__ import annotations

import pytest
from pants.engine.addresses import Address
from pants.engine.fs import Digest, Snapshot
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.target_types import AgentFlowSourceField
from irc_pants.testutil.rule_runner import make_rule_runner, set_options
from irc_pants.util_rules.compile_flow import CompileFlowRequest, FallibleCompiledFlow
from irc_pants.util_rules.compile_flows import (
    BATCH_SIZE,
    CompileFlowsRequest,
    FallibleCompiledFlows,
    batches_of,
)

FLOWS = {
    "flows/good": "good",
    "flows/odd": "odd",
    "flows/ugly": "broken",
    "src/shop": "in another source root",
}


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner(
        [
            QueryRule(FallibleCompiledFlow, [CompileFlowRequest]),
            QueryRule(FallibleCompiledFlows, [CompileFlowsRequest]),
            QueryRule(Snapshot, [Digest]),
        ]
    )


def sources_of(rule_runner: RuleRunner, flows: dict[str, str]) -> tuple[AgentFlowSourceField, ...]:
    for folder, flow in flows.items():
        rule_runner.write_files(
            {f"{folder}/BUILD": "agent_flow(name='agent')", f"{folder}/flow.yaml": flow}
        )
    return tuple(
        rule_runner.get_target(Address(folder, target_name="agent"))[AgentFlowSourceField]
        for folder in flows
    )


def compiled_together(
    rule_runner: RuleRunner, sources: tuple[AgentFlowSourceField, ...]
) -> list[FallibleCompiledFlow]:
    return list(rule_runner.request(FallibleCompiledFlows, [CompileFlowsRequest(sources)]))


def compiled_alone(
    rule_runner: RuleRunner, sources: tuple[AgentFlowSourceField, ...]
) -> list[FallibleCompiledFlow]:
    return [
        rule_runner.request(FallibleCompiledFlow, [CompileFlowRequest(source)])
        for source in sources
    ]


def test_what_comes_of_a_flow_is_what_comes_of_it_alone(rule_runner: RuleRunner) -> None:
    sources = sources_of(rule_runner, FLOWS)
    together = compiled_together(rule_runner, sources)
    assert [flow.diagnostics for flow in together] == [
        "",
        "flows/odd/flow.yaml:1:1: warning[W101]: it is odd",
        "flows/ugly/flow.yaml:1:1: error[E101]: it is broken",
        "",
    ]
    assert [flow.compiled is None for flow in together] == [False, False, True, False]
    alone = compiled_alone(rule_runner, sources)
    assert [flow.diagnostics for flow in alone] == [flow.diagnostics for flow in together]
    for one, other in zip(alone, together):
        if one.compiled is not None and other.compiled is not None:
            assert (one.compiled.agent, one.compiled.source_root) == (
                other.compiled.agent,
                other.compiled.source_root,
            )
            assert files_of(rule_runner, one) == files_of(rule_runner, other)


def test_a_flow_at_which_the_compiler_crashes_hides_no_other(rule_runner: RuleRunner) -> None:
    sources = sources_of(rule_runner, {"flows/good": "good", "flows/worst": "crash"})
    good, worst = compiled_together(rule_runner, sources)
    assert good.compiled is not None
    assert worst.compiled is None
    assert worst.diagnostics == "error[E901]: irc crashed"


def test_two_targets_of_two_resolves_may_have_one_flow(rule_runner: RuleRunner) -> None:
    resolves = (
        "{'python-default': 'default.lock', 'pytest': 'pytest.lock', 'second': 'second.lock'}"
    )
    set_options(rule_runner, {"python-resolves": resolves})
    rule_runner.write_files(
        {
            "twice/BUILD": (
                "agent_flow(name='agent')\n"
                "agent_flow(name='copy', resolve='second')\n"
                "python_requirement(\n"
                "    name='runtime', resolve='second', requirements=['irc-runtime[kserve]']\n"
                ")\n"
            ),
            "twice/flow.yaml": "good",
        }
    )
    sources = tuple(
        rule_runner.get_target(Address("twice", target_name=name))[AgentFlowSourceField]
        for name in ("agent", "copy")
    )
    one, other = compiled_together(rule_runner, sources)
    set_options(rule_runner)
    assert one.compiled is not None
    assert one == other


def test_batches_are_as_stable_as_can_be() -> None:
    fields = [
        AgentFlowSourceField(None, Address(f"flows/number_{number}", target_name="agent"))
        for number in range(4 * BATCH_SIZE)
    ]
    batches = batches_of(fields)
    assert sorted(field.address for batch in batches for field in batch) == sorted(
        field.address for field in fields
    )
    assert len(batches) == 4
    assert max(map(len, batches)) < 1.5 * BATCH_SIZE
    # Whatever order they come in, and with one less: one batch changes.
    assert batches_of(fields[::-1]) == batches
    assert len(set(batches) - set(batches_of(fields[1:]))) == 1
    assert batches_of(fields[:BATCH_SIZE]) == [
        tuple(sorted(fields[:BATCH_SIZE], key=lambda field: field.address))
    ]


def files_of(rule_runner: RuleRunner, flow: FallibleCompiledFlow) -> tuple[str, ...]:
    assert flow.compiled is not None
    return rule_runner.request(Snapshot, [flow.compiled.digest]).files
