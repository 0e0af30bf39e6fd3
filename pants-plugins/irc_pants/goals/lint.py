"""`lint` of an `agent_flow`: what the compiler finds, warnings too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules.partitions import Partitions
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.target import FieldSet
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.compile_flows import CompileFlowsRequest, FallibleCompiledFlows


@dataclass(frozen=True)
class AgentFlowLintFieldSet(FieldSet):
    required_fields = (AgentFlowSourceField,)

    source: AgentFlowSourceField


class AgentFlowLintRequest(LintTargetsRequest):
    field_set_type = AgentFlowLintFieldSet
    # The protocol wants the type of the option, which at run time is its value.
    tool_subsystem = Irc  # type: ignore[assignment]


@rule
async def partition_flows_to_lint(
    request: AgentFlowLintRequest.PartitionRequest[AgentFlowLintFieldSet], irc: Irc
) -> Partitions[AgentFlowLintFieldSet, Any]:
    if irc.skip or irc.lint_skip:
        return Partitions()
    return Partitions.single_partition(request.field_sets)


@rule(desc="Lint agent flows", level=LogLevel.DEBUG)
async def lint_agent_flows(
    request: AgentFlowLintRequest.Batch[AgentFlowLintFieldSet, Any],
) -> LintResult:
    flows = await Get(
        FallibleCompiledFlows,
        CompileFlowsRequest(tuple(field_set.source for field_set in request.elements)),
    )
    return LintResult(
        exit_code=1 if any(flow.compiled is None for flow in flows) else 0,
        stdout="\n\n".join(flow.diagnostics for flow in flows if flow.diagnostics),
        stderr="",
        linter_name=request.tool_name,
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *AgentFlowLintRequest.rules())
