"""Compiling many flows: a few processes for all of them, whose parts are as stable as can be.

A goal that asks for one flow compiles it in a process of its own (`compile_flow`); starting that is
most of its time. Where a goal asks for many, they share processes. What comes of a flow is the same.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pants.engine.collection import Collection
from pants.engine.fs import (
    EMPTY_DIGEST,
    Digest,
    DigestContents,
    DigestSubset,
    MergeDigests,
    PathGlobs,
    RemovePrefix,
)
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.util.logging import LogLevel

from irc_pants.naming import agent_path
from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.compile_flow import (
    CompiledFlow,
    CompileFlowRequest,
    FallibleCompiledFlow,
    FlowInputs,
    FlowInputsRequest,
)
from irc_pants.util_rules.irc_process import OUTPUT_DIR, IrcProcess

# So many that starting the process is little beside them, and few enough that those beside an edited
# one, which come from the compiler's own cache, are little, too.
BATCH_SIZE = 128

# As `irc compile --each` calls them.
FINDINGS = "findings.txt"
GENERATED = "generated"


@dataclass(frozen=True)
class CompileFlowsRequest:
    sources: tuple[AgentFlowSourceField, ...]


class FallibleCompiledFlows(Collection[FallibleCompiledFlow]):
    """What the compiler made of flows, in the order of the request."""


@dataclass(frozen=True)
class CompileBatchRequest:
    """Flows of one source root, for one process."""

    sources: tuple[AgentFlowSourceField, ...]
    source_root: str


@rule(desc="Compile agent flows", level=LogLevel.DEBUG)
async def compile_flows(request: CompileFlowsRequest) -> FallibleCompiledFlows:
    inputs = await MultiGet(
        Get(FlowInputs, FlowInputsRequest(source)) for source in request.sources
    )
    by_root: defaultdict[str, list[AgentFlowSourceField]] = defaultdict(list)
    for source, flow in zip(request.sources, inputs):
        by_root[flow.source_root].append(source)
    batches = tuple(
        CompileBatchRequest(batch, root)
        for root, sources in by_root.items()
        for batch in batches_of(sources)
    )
    results = await MultiGet(Get(FallibleCompiledFlows, CompileBatchRequest, b) for b in batches)
    compiled = {
        source.address: flow
        for batch, flows in zip(batches, results)
        for source, flow in zip(batch.sources, flows)
    }
    return FallibleCompiledFlows(compiled[source.address] for source in request.sources)


def batches_of(sources: Sequence[AgentFlowSourceField]) -> list[tuple[AgentFlowSourceField, ...]]:
    """Batches of about BATCH_SIZE, by a digest of the address.

    A flow more or less changes one batch, unless their number passes a power of two of BATCH_SIZE.
    """
    count = 1 << ((len(sources) - 1) // BATCH_SIZE).bit_length()
    batches: defaultdict[int, list[AgentFlowSourceField]] = defaultdict(list)
    for source in sorted(sources, key=lambda source: source.address):
        digest = hashlib.sha256(source.address.spec.encode()).digest()
        batches[int.from_bytes(digest[:4], "big") % count].append(source)
    return [tuple(batch) for _, batch in sorted(batches.items())]


async def _compile_alone(
    sources: Iterable[AgentFlowSourceField],
) -> tuple[FallibleCompiledFlow, ...]:
    return await MultiGet(
        Get(FallibleCompiledFlow, CompileFlowRequest(source)) for source in sources
    )


@rule
async def compile_batch(request: CompileBatchRequest, irc: Irc) -> FallibleCompiledFlows:
    if len(request.sources) == 1:
        return FallibleCompiledFlows(await _compile_alone(request.sources))
    inputs = await MultiGet(
        Get(FlowInputs, FlowInputsRequest(source)) for source in request.sources
    )
    input_digest = await Get(Digest, MergeDigests(flow.digest for flow in inputs))
    flows = [source.file_path for source in request.sources]
    result = await Get(
        FallibleProcessResult,
        IrcProcess(
            (
                *("compile", "--each", *dict.fromkeys(flows)),
                *("--source-root", request.source_root, *irc.reporting_args),
            ),
            input_digest=input_digest,
            description=f"Compile {len(flows)} flows",
        ),
    )
    if result.exit_code != 0:
        # The process itself broke: the flow at which it did is found, and the others are compiled.
        return FallibleCompiledFlows(await _compile_alone(request.sources))
    output = await Get(Digest, RemovePrefix(result.output_digest, OUTPUT_DIR))
    findings = await Get(DigestContents, DigestSubset(output, PathGlobs([f"**/{FINDINGS}"])))
    generated = await MultiGet(
        Get(Digest, DigestSubset(output, PathGlobs([f"{glob.escape(flow)}/{GENERATED}/**"])))
        for flow in flows
    )
    stripped = await MultiGet(
        Get(Digest, RemovePrefix(digest, f"{flow}/{GENERATED}"))
        for flow, digest in zip(flows, generated)
    )
    found = {os.path.dirname(file.path): file.content.decode().strip() for file in findings}
    root = request.source_root
    return FallibleCompiledFlows(
        FallibleCompiledFlow(
            found.get(flow, ""),
            CompiledFlow(digest, os.path.relpath(agent_path(flow), root), root)
            if digest != EMPTY_DIGEST
            else None,
        )
        for flow, digest in zip(flows, stripped)
    )


def rules() -> Iterable[Rule]:
    return collect_rules()
