"""The bill of materials of base and requirements, which is read from their layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.fs import AddPrefix, Digest, MergeDigests
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.util.logging import LogLevel

from irc_pants.util_rules.base_image import BaseImage
from irc_pants.util_rules.image_layers import RequirementLayers
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess

LIBRARIES_BILL = "libraries.cdx.json"


@dataclass(frozen=True)
class LibrariesBillRequest:
    """The layers that an agent shares with others."""

    base: BaseImage
    layers: RequirementLayers


@dataclass(frozen=True)
class LibrariesBill:
    """LIBRARIES_BILL alone."""

    digest: Digest


@rule(desc="Write the bill of materials of shared image layers", level=LogLevel.DEBUG)
async def write_libraries_bill(request: LibrariesBillRequest) -> LibrariesBill:
    base, layers = await MultiGet(
        Get(Digest, AddPrefix(request.base.digest, "base")),
        Get(Digest, AddPrefix(request.layers.digest, "deps")),
    )
    output = await Get(
        IrcOutput,
        IrcProcess(
            ("sbom", "--base=base/base.json", "--deps=deps/deps.json"),
            description="Write the bill of materials of shared image layers",
            input_digest=await Get(Digest, MergeDigests((base, layers))),
            level=LogLevel.INFO,
        ),
    )
    return LibrariesBill(output.digest)


def rules() -> Iterable[Rule]:
    return collect_rules()
