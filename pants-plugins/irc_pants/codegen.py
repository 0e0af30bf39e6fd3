"""Generated agents as Python sources, so that the Python backend works on them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from pants.backend.python.dependency_inference.module_mapper import (
    FirstPartyPythonMappingImpl,
    FirstPartyPythonMappingImplMarker,
    ModuleProvider,
    ModuleProviderType,
    ResolveName,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PythonResolveField, PythonSourceField
from pants.engine.fs import AddPrefix, Digest, DigestSubset, PathGlobs, Snapshot
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import AllTargets, GeneratedSources, GenerateSourcesRequest, Targets
from pants.engine.unions import UnionRule
from pants.source.source_root import OptionalSourceRoot, SourceRootRequest
from pants.util.logging import LogLevel

from irc_pants.naming import agent_path, module_name
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.compile_flow import CompiledFlow, CompileFlowRequest


class AllAgentFlowTargets(Targets):
    """Every `agent_flow` of the repository."""


class GeneratePythonFromFlowRequest(GenerateSourcesRequest):
    input = AgentFlowSourceField
    output = PythonSourceField


class AgentFlowMappingMarker(FirstPartyPythonMappingImplMarker):
    pass


@rule(desc="Find all agent flows in project", level=LogLevel.DEBUG)
def find_all_agent_flows(targets: AllTargets) -> AllAgentFlowTargets:
    return AllAgentFlowTargets(tgt for tgt in targets if tgt.has_field(AgentFlowSourceField))


@rule(desc="Generate Python from agent flows", level=LogLevel.DEBUG)
async def generate_python_from_flow(request: GeneratePythonFromFlowRequest) -> GeneratedSources:
    compiled = await Get(
        CompiledFlow, CompileFlowRequest(request.protocol_target[AgentFlowSourceField])
    )
    agent = await Get(Digest, DigestSubset(compiled.digest, PathGlobs([compiled.agent])))
    if compiled.source_root != ".":
        agent = await Get(Digest, AddPrefix(agent, compiled.source_root))
    return GeneratedSources(await Get(Snapshot, Digest, agent))


@rule(desc="Creating map of agent flows to generated Python modules", level=LogLevel.DEBUG)
async def map_flows_to_python_modules(
    _: AgentFlowMappingMarker, flows: AllAgentFlowTargets, python_setup: PythonSetup
) -> FirstPartyPythonMappingImpl:
    paths = [agent_path(flow[AgentFlowSourceField].file_path) for flow in flows]
    roots = await MultiGet(
        Get(OptionalSourceRoot, SourceRootRequest, SourceRootRequest.for_file(path))
        for path in paths
    )
    modules: defaultdict[ResolveName, defaultdict[str, list[ModuleProvider]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for flow, path, root in zip(flows, paths, roots):
        if root.source_root is None:  # It is an error of that flow alone.
            continue
        agent = os.path.relpath(path, root.source_root.path)
        resolve = flow[PythonResolveField].normalized_value(python_setup)
        provider = ModuleProvider(flow.address, ModuleProviderType.IMPL)
        modules[resolve][module_name(agent)].append(provider)
    return FirstPartyPythonMappingImpl.create(modules)


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(GenerateSourcesRequest, GeneratePythonFromFlowRequest),
        UnionRule(FirstPartyPythonMappingImplMarker, AgentFlowMappingMarker),
    )
