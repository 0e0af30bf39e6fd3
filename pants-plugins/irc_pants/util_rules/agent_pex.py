"""`agent.pex`: of requirements and code.

The packed one is composed by digest: the archives of the requirements' PEX stay as they are, and
`irc package` writes the code and the few files of the PEX that hold its hash. That leans on how pex
lays out a packed PEX, and is ten times as quick as building one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.target_types import EntryPoint, PexLayout
from pants.backend.python.util_rules.pex import Pex
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.engine.addresses import Address
from pants.engine.fs import (
    AddPrefix,
    Digest,
    DigestSubset,
    MergeDigests,
    PathGlobs,
    RemovePrefix,
)
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.logging import LogLevel

from irc_pants.naming import module_name

AGENT_PEX = "agent.pex"

# The files of a packed PEX that hold its hash.
HASHED = ("PEX-INFO", "__main__.py", "__pex__/**")


@dataclass(frozen=True)
class PackedAgentPexRequest:
    """To add code to a packed PEX.

    Attributes:
        requirements: without code.
        rewritten: code and the files of HASHED, below AGENT_PEX.
    """

    requirements: Pex
    rewritten: Digest


@dataclass(frozen=True)
class ZipAppAgentPexRequest:
    """To build one file.

    Attributes:
        agent: the path of the agent's module below its source root.
    """

    address: Address
    agent: str


@dataclass(frozen=True)
class AgentPex:
    """`agent.pex`, a folder or a file."""

    digest: Digest


@rule(desc="Compose agent.pex", level=LogLevel.DEBUG)
async def compose_packed_pex(request: PackedAgentPexRequest) -> AgentPex:
    name = request.requirements.name
    kept = await Get(
        Digest,
        DigestSubset(
            request.requirements.digest,
            PathGlobs([f"{name}/**", *(f"!{name}/{hashed}" for hashed in HASHED)]),
        ),
    )
    kept = await Get(Digest, RemovePrefix(kept, name))
    kept = await Get(Digest, AddPrefix(kept, AGENT_PEX))
    rewritten = await Get(Digest, DigestSubset(request.rewritten, PathGlobs([f"{AGENT_PEX}/**"])))
    return AgentPex(await Get(Digest, MergeDigests((kept, rewritten))))


@rule(desc="Build agent.pex", level=LogLevel.DEBUG)
async def build_zip_app(request: ZipAppAgentPexRequest) -> AgentPex:
    pex = await Get(
        Pex,
        PexFromTargetsRequest(
            [request.address],
            output_filename=AGENT_PEX,
            internal_only=True,
            main=EntryPoint(module_name(request.agent)),
            layout=PexLayout.ZIPAPP,
        ),
    )
    return AgentPex(pex.digest)


def rules() -> Iterable[Rule]:
    return collect_rules()
