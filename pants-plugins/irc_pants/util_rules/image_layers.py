"""The layers of third-party requirements, which agents with the same ones share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.util_rules.pex import Pex
from pants.engine.fs import Digest
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.logging import LogLevel

from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess


@dataclass(frozen=True)
class RequirementLayersRequest:
    """A packed PEX of third-party requirements, to be made layers."""

    pex: Pex
    compression: str


@dataclass(frozen=True)
class RequirementLayers:
    """`deps.json` and `blobs/`."""

    digest: Digest


@rule(desc="Make image layers of requirements", level=LogLevel.DEBUG)
async def make_requirement_layers(request: RequirementLayersRequest) -> RequirementLayers:
    output = await Get(
        IrcOutput,
        IrcProcess(
            (
                *("image", "deps", "--pex", request.pex.name),
                f"--compression={request.compression}",
            ),
            description="Make image layers of requirements",
            input_digest=request.pex.digest,
            level=LogLevel.INFO,
        ),
    )
    return RequirementLayers(output.digest)


def rules() -> Iterable[Rule]:
    return collect_rules()
