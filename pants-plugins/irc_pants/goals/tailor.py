"""`tailor`: targets for flows, and for the files that they are made of and Python's own does not see."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from pants.core.goals.tailor import (
    AllOwnedSources,
    PutativeTarget,
    PutativeTargets,
    PutativeTargetsRequest,
)
from pants.core.target_types import ResourcesGeneratorTarget
from pants.engine.addresses import Address
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.dirutil import group_by_dir
from pants.util.logging import LogLevel

from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.generator_target import AgentFlowsGeneratorTarget, AgentFlowsSourcesField
from irc_pants.naming import agent_path, is_flow
from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField, AgentFlowTarget


@dataclass(frozen=True)
class PutativeAgentFlowTargetsRequest(PutativeTargetsRequest):
    pass


@rule(desc="Determine candidate agent flow targets to create", level=LogLevel.DEBUG)
async def find_putative_targets(
    request: PutativeAgentFlowTargetsRequest, owned: AllOwnedSources, irc: Irc
) -> PutativeTargets:
    if not irc.tailor:
        return PutativeTargets()
    found = await Get(Paths, PathGlobs, request.path_globs(*AgentFlowsSourcesField.default))
    flows = [file for file in found.files if is_flow(file)]
    references = await MultiGet(
        Get(FlowReferences, FlowReferencesRequest(_source_field(file))) for file in flows
    )
    files = await Get(
        Paths,
        PathGlobs(
            path
            for flow in references
            for path in flow.paths
            if path not in flow.python_files and _is_below(path, flow.flow.folder)
        ),
    )
    unowned = set(flows) - set(owned)
    folders = sorted({flow.flow.folder for flow in references}, key=len, reverse=True)
    unowned_files: dict[str, list[str]] = {}
    for file in files.files:
        if file not in owned:
            folder = next(folder for folder in folders if _is_below(file, folder))
            unowned_files.setdefault(folder, []).append(file)
    return PutativeTargets(
        (
            *(
                _flows(folder, sorted(names))
                for folder, names in group_by_dir(sorted(unowned)).items()
            ),
            *(_files(folder, paths) for folder, paths in unowned_files.items()),
        )
    )


def _source_field(flow: str) -> AgentFlowSourceField:
    folder, name = os.path.split(flow)
    return AgentFlowSourceField(name, Address(folder, target_name="flow"))


def _is_below(path: str, folder: str) -> bool:
    return not os.path.relpath(path, folder or ".").startswith("..")


def _flows(folder: str, names: list[str]) -> PutativeTarget:
    """One `agent_flow` for one flow, `agent_flows` for more."""
    if len(names) > 1:
        return PutativeTarget.for_target_type(
            AgentFlowsGeneratorTarget, path=folder, name="agents", triggering_sources=names
        )
    (name,) = names
    return PutativeTarget.for_target_type(
        AgentFlowTarget,
        path=folder,
        name=PurePath(agent_path(name)).stem,
        triggering_sources=names,
        kwargs={} if name == AgentFlowSourceField.default else {"source": name},
    )


def _files(folder: str, paths: list[str]) -> PutativeTarget:
    """The folders below that of a flow by a glob, since more of their kind will come."""
    names = sorted(os.path.relpath(path, folder or ".") for path in paths)
    sources = {
        str(PurePath(name).with_name(f"*{PurePath(name).suffix}")) if "/" in name else name
        for name in names
    }
    return PutativeTarget.for_target_type(
        ResourcesGeneratorTarget,
        path=folder,
        name="flow_files",
        triggering_sources=names,
        kwargs={"sources": tuple(sorted(sources))},
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(PutativeTargetsRequest, PutativeAgentFlowTargetsRequest),
    )
