"""Flows whose agents another agent imports: what is made of it needs all of them compiled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.addresses import Address
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest

from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.compile_flow import CompileFlowRequest, FallibleCompiledFlow


@dataclass(frozen=True)
class CarriedFlowsRequest:
    address: Address


@dataclass(frozen=True)
class CarriedFlows:
    """What keeps an agent from being made although its own flow compiles.

    Attributes:
        diagnostics: of the flows that do not compile, each with its address; empty where all do.
    """

    diagnostics: str


@rule
async def find_carried_flows(request: CarriedFlowsRequest) -> CarriedFlows:
    closure = await Get(TransitiveTargets, TransitiveTargetsRequest([request.address]))
    carried = [
        target
        for target in closure.dependencies
        if target.has_field(AgentFlowSourceField) and target.address != request.address
    ]
    flows = await MultiGet(
        Get(FallibleCompiledFlow, CompileFlowRequest(target[AgentFlowSourceField]))
        for target in carried
    )
    return CarriedFlows(
        "\n\n".join(
            f"{request.address} depends on {target.address}, which does not compile.\n\n"
            f"{flow.diagnostics}"
            for target, flow in zip(carried, flows)
            if flow.compiled is None
        )
    )


def rules() -> Iterable[Rule]:
    return collect_rules()
