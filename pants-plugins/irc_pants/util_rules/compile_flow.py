"""Compiling a flow to a Python agent."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.engine_aware import EngineAwareParameter
from pants.engine.fs import Digest, MergeDigests, PathGlobs, RemovePrefix
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest
from pants.util.logging import LogLevel

from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.naming import agent_path
from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.checked_flow import CheckedFlow, CheckFlowRequest
from irc_pants.util_rules.irc_process import OUTPUT_DIR, IrcProcess

logger = logging.getLogger(__name__)


class FlowCompilationError(Exception):
    """A flow does not compile; the message holds the compiler's diagnostics."""


@dataclass(frozen=True)
class CompileFlowRequest(EngineAwareParameter):
    source: AgentFlowSourceField

    def debug_hint(self) -> str:
        return self.source.address.spec


@dataclass(frozen=True)
class CompiledFlow:
    """A flow's agent, its tests, and what the compiler says about them.

    Attributes:
        digest: generated files, by their paths below the source root.
        agent: the agent's path among them.
        source_root: of the flow.
    """

    digest: Digest
    agent: str
    source_root: str


@dataclass(frozen=True)
class FallibleCompiledFlow:
    """What the compiler made of a flow, or why it made nothing.

    Attributes:
        diagnostics: the compiler's text: errors where there is no result, else warnings.
        compiled: None where the flow does not compile.
    """

    diagnostics: str
    compiled: CompiledFlow | None


@dataclass(frozen=True)
class FlowInputsRequest:
    source: AgentFlowSourceField


@dataclass(frozen=True)
class FlowInputs:
    """The files that a flow is compiled from, itself included."""

    digest: Digest
    source_root: str


@rule
async def find_flow_inputs(request: FlowInputsRequest) -> FlowInputs:
    await Get(CheckedFlow, CheckFlowRequest(request.source.address))
    references, sources = await MultiGet(
        Get(FlowReferences, FlowReferencesRequest(request.source)),
        Get(HydratedSources, HydrateSourcesRequest(request.source)),
    )
    files = await Get(Digest, PathGlobs(glob.escape(path) for path in references.paths))
    digest = await Get(Digest, MergeDigests((sources.snapshot.digest, files)))
    return FlowInputs(digest, references.flow.source_root)


@rule(desc="Compile an agent flow", level=LogLevel.DEBUG)
async def compile_flow_fallibly(request: CompileFlowRequest, irc: Irc) -> FallibleCompiledFlow:
    flow = request.source.file_path
    inputs = await Get(FlowInputs, FlowInputsRequest(request.source))
    result = await Get(
        FallibleProcessResult,
        IrcProcess(
            ("compile", flow, "--source-root", inputs.source_root, *irc.reporting_args),
            input_digest=inputs.digest,
            description=f"Compile {flow}",
        ),
    )
    diagnostics = (result.stdout + result.stderr).decode().strip()
    if result.exit_code != 0:
        return FallibleCompiledFlow(diagnostics, compiled=None)
    generated = await Get(Digest, RemovePrefix(result.output_digest, OUTPUT_DIR))
    agent = os.path.relpath(agent_path(flow), inputs.source_root)
    return FallibleCompiledFlow(diagnostics, CompiledFlow(generated, agent, inputs.source_root))


@rule
async def compile_flow(request: CompileFlowRequest) -> CompiledFlow:
    result = await Get(FallibleCompiledFlow, CompileFlowRequest, request)
    if result.compiled is None:
        raise FlowCompilationError(
            f"{request.source.address} does not compile.\n\n{result.diagnostics}\n"
        )
    if result.diagnostics:
        logger.warning(f"{request.source.address}:\n{result.diagnostics}")
    return result.compiled


def rules() -> Iterable[Rule]:
    return collect_rules()
