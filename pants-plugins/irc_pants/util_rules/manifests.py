"""An agent's KServe manifests, but for its image."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.addresses import Address
from pants.engine.fs import (
    EMPTY_DIGEST,
    CreateDigest,
    Digest,
    DigestContents,
    DigestSubset,
    FileContent,
    PathGlobs,
)
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.logging import LogLevel

from irc_pants.naming import summary_path
from irc_pants.util_rules.compile_flow import CompiledFlow
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess


@dataclass(frozen=True)
class AgentManifestsRequest:
    """A compiled flow, and its target's field `overlays`."""

    address: Address
    compiled: CompiledFlow
    overlays: str | None


@dataclass(frozen=True)
class AgentManifests:
    """`manifest.json`, or nothing for a target other than KServe."""

    digest: Digest


@rule(desc="Write the KServe manifests of an agent flow", level=LogLevel.DEBUG)
async def write_agent_manifests(request: AgentManifestsRequest) -> AgentManifests:
    compiled = request.compiled
    (summary,) = await Get(
        DigestContents,
        DigestSubset(compiled.digest, PathGlobs([summary_path(compiled.agent)])),
    )
    deployment = json.loads(summary.content)["deployment"]
    if deployment["target"] != "kserve":
        return AgentManifests(EMPTY_DIGEST)
    # Nothing else of the summary: an edited prompt must not make the manifests again.
    files = [FileContent("agent.json", json.dumps({"deployment": deployment}).encode())]
    options: tuple[str, ...] = ()
    if request.overlays is not None:
        files.append(FileContent("overlays.json", request.overlays.encode()))
        options = ("--overlays=overlays.json",)
    output = await Get(
        IrcOutput,
        IrcProcess(
            ("manifest", "--agent=agent.json", *options),
            input_digest=await Get(Digest, CreateDigest(files)),
            description=f"Write the manifests of {request.address}",
        ),
    )
    return AgentManifests(output.digest)


def rules() -> Iterable[Rule]:
    return collect_rules()
