"""What an agent is made of besides its generated files: requirements, and first-party code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.target_types import PexLayout
from pants.backend.python.util_rules.pex import Pex
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFilesRequest,
    StrippedPythonSourceFiles,
)
from pants.core.util_rules.source_files import SourceFilesRequest
from pants.core.util_rules.stripped_source_files import StrippedSourceFiles
from pants.engine.addresses import Address
from pants.engine.fs import Digest, MergeDigests
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest

from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.checked_flow import CheckDependenciesRequest, CheckedDependencies


@dataclass(frozen=True)
class AgentRequirementsRequest:
    address: Address


@dataclass(frozen=True)
class AgentRequirements:
    """A packed PEX of an agent's third-party requirements alone."""

    pex: Pex


@dataclass(frozen=True)
class AgentSourcesRequest:
    source: AgentFlowSourceField


@dataclass(frozen=True)
class AgentSources:
    """First-party files by their paths below their source roots: code, resources, the flow."""

    digest: Digest


@rule
async def build_agent_requirements(request: AgentRequirementsRequest) -> AgentRequirements:
    pex = await Get(
        Pex,
        PexFromTargetsRequest(
            [request.address],
            # The same name for all agents: the same requirements are then the same process.
            output_filename="deps.pex",
            internal_only=True,
            include_source_files=False,
            layout=PexLayout.PACKED,
        ),
    )
    return AgentRequirements(pex)


@rule
async def collect_agent_sources(request: AgentSourcesRequest) -> AgentSources:
    transitive_targets, _ = await MultiGet(
        Get(TransitiveTargets, TransitiveTargetsRequest([request.source.address])),
        Get(CheckedDependencies, CheckDependenciesRequest(request.source.address)),
    )
    dependencies, flow = await MultiGet(
        Get(StrippedPythonSourceFiles, PythonSourceFilesRequest(transitive_targets.dependencies)),
        Get(StrippedSourceFiles, SourceFilesRequest([request.source])),
    )
    digest = await Get(
        Digest,
        MergeDigests((dependencies.stripped_source_files.snapshot.digest, flow.snapshot.digest)),
    )
    return AgentSources(digest)


def rules() -> Iterable[Rule]:
    return collect_rules()
