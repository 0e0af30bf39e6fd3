"""`check` of an `agent_flow`: the compiler's diagnostics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.goals.check import CheckRequest, CheckResult, CheckResults
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.target import FieldSet
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.compile_flows import CompileFlowsRequest, FallibleCompiledFlows


@dataclass(frozen=True)
class AgentFlowCheckFieldSet(FieldSet):
    required_fields = (AgentFlowSourceField,)

    source: AgentFlowSourceField


class AgentFlowCheckRequest(CheckRequest[AgentFlowCheckFieldSet]):
    field_set_type = AgentFlowCheckFieldSet
    tool_name = Irc.options_scope


@rule(desc="Check agent flows", level=LogLevel.DEBUG)
async def check_agent_flows(request: AgentFlowCheckRequest, irc: Irc) -> CheckResults:
    if irc.skip:
        return CheckResults((), checker_name=request.tool_name)
    flows = await Get(
        FallibleCompiledFlows,
        CompileFlowsRequest(tuple(field_set.source for field_set in request.field_sets)),
    )
    return CheckResults(
        (
            CheckResult(
                exit_code=0 if flow.compiled else 1,
                stdout=flow.diagnostics,
                stderr="",
                partition_description=field_set.address.spec,
            )
            for field_set, flow in zip(request.field_sets, flows)
        ),
        checker_name=request.tool_name,
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), UnionRule(CheckRequest, AgentFlowCheckRequest))
