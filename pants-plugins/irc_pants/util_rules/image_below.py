"""What lies below the code in the image for one platform: the base, requirements, and the bill of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.addresses import Address
from pants.engine.fs import Digest, DigestSubset, MergeDigests, PathGlobs
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule

from irc_pants.target_types import AgentFlowBaseImageField
from irc_pants.util_rules.agent_code import AgentRequirements, AgentRequirementsRequest
from irc_pants.util_rules.base_image import BaseImage, BaseImageRequest
from irc_pants.util_rules.bill_of_materials import LibrariesBill, LibrariesBillRequest
from irc_pants.util_rules.foreign_requirements import (
    ForeignRequirements,
    ForeignRequirementsRequest,
)
from irc_pants.util_rules.image_layers import RequirementLayers, RequirementLayersRequest


@dataclass(frozen=True)
class ImageBelowRequest:
    """All that decides it.

    Attributes:
        platform: None is the machine's own.
        lock: the path of the resolve's lockfile.
    """

    address: Address
    platform: str | None
    base_image: AgentFlowBaseImageField
    compression: str
    resolve: str
    lock: str


@dataclass(frozen=True)
class ImageBelow:
    """Parts that agents with the same base and requirements share.

    Attributes:
        documents: `base.json`, `deps.json` and LIBRARIES_BILL.
        blobs: `blobs/`.
    """

    documents: Digest
    blobs: Digest


@rule
async def make_image_below(request: ImageBelowRequest) -> ImageBelow:
    base, requirements = await MultiGet(
        Get(BaseImage, BaseImageRequest(request.base_image, request.compression, request.platform)),
        Get(AgentRequirements, AgentRequirementsRequest(request.address)),
    )
    pex = requirements.pex
    if request.platform is not None:
        foreign = await Get(
            ForeignRequirements,
            ForeignRequirementsRequest(
                *(request.address, request.platform, base, pex), *(request.resolve, request.lock)
            ),
        )
        pex = foreign.pex
    layers = await Get(RequirementLayers, RequirementLayersRequest(pex, request.compression))
    bill, *parts = await MultiGet(
        Get(LibrariesBill, LibrariesBillRequest(base, layers)),
        *(
            Get(Digest, DigestSubset(digest, PathGlobs([path])))
            for path in ("*.json", "blobs/**")
            for digest in (base.digest, layers.digest)
        ),
    )
    documents, blobs = await MultiGet(
        Get(Digest, MergeDigests((bill.digest, *parts[:2]))),
        Get(Digest, MergeDigests(parts[2:])),
    )
    return ImageBelow(documents, blobs)


def rules() -> Iterable[Rule]:
    return collect_rules()
