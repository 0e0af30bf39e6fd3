"""Third-party requirements for a platform that this machine is not.

Pants 2.17 resolves a lock of requirements for complete platforms in no PEX that has but some of it, so pex
is called here: with the lock cut to what the agent takes there, and with what wheels may be for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.target_types import PexLayout
from pants.backend.python.util_rules.pex import Pex
from pants.backend.python.util_rules.pex_cli import PexCliProcess
from pants.backend.python.util_rules.pex_requirements import (
    ResolvePexConfig,
    ResolvePexConfigRequest,
)
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST, Digest, DigestSubset, MergeDigests, PathGlobs
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants.target_types import AgentFlowPlatformsField
from irc_pants.util_rules.base_image import BaseImage
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess

# What pex and pip say of a requirement that has no wheel: which has sources that were built, sources that
# do not build here, or none.
_NO_WHEEL = re.compile(
    r"(?:No pre-built wheel was available|Failed building wheel|No matching distribution found) for"
    r" ([A-Za-z0-9._-]+)"
)


class ForeignRequirementsError(Exception):
    """There are not wheels of all requirements for a platform."""


@dataclass(frozen=True)
class ForeignRequirementsRequest:
    """A packed PEX of requirements, to be resolved for the platform of a base image.

    Attributes:
        lock: the path of the resolve's lockfile.
    """

    address: Address
    platform: str
    base: BaseImage
    pex: Pex
    resolve: str
    lock: str


@dataclass(frozen=True)
class ForeignRequirements:
    """A packed PEX, which does not run here."""

    pex: Pex


@rule(desc="Resolve requirements for another platform", level=LogLevel.DEBUG)
async def resolve_foreign_requirements(request: ForeignRequirementsRequest) -> ForeignRequirements:
    base = await Get(Digest, DigestSubset(request.base.digest, PathGlobs(["base.json"])))
    lock = await Get(Digest, PathGlobs([request.lock]))
    config = await Get(ResolvePexConfig, ResolvePexConfigRequest(request.resolve))
    pex, resolved = request.pex, EMPTY_DIGEST
    while True:
        # A distribution that this platform alone needs says what it requires once it is there.
        wanted = await Get(
            IrcOutput,
            IrcProcess(
                (
                    *("image", "requirements", "--base=base.json"),
                    *(f"--pex={pex.name}", f"--lock={request.lock}"),
                ),
                description=f"Find the requirements of {request.address} for {request.platform}",
                input_digest=await Get(Digest, MergeDigests((base, lock, pex.digest))),
            ),
        )
        if wanted.digest == resolved:
            return ForeignRequirements(pex)
        resolved = wanted.digest
        result = await Get(
            FallibleProcessResult,
            PexCliProcess(
                subcommand=(),
                extra_args=(
                    *("--output-file", request.pex.name, "--no-emit-warnings"),
                    *("--complete-platform", "platform.json"),
                    *("--requirement", "requirements.txt", "--no-transitive"),
                    *config.pex_args(),
                    *("--resolver-version", "pip-2020-resolver"),
                    *("--layout", PexLayout.PACKED.value),
                ),
                additional_input_digest=wanted.digest,
                description=f"Resolve the requirements of {request.address} for {request.platform}",
                output_files=None,
                output_directories=[request.pex.name],
            ),
        )
        if result.exit_code != 0:
            raise ForeignRequirementsError(_reason(request, result.stderr.decode()))
        pex = Pex(result.output_digest, request.pex.name, python=None)


def _reason(request: ForeignRequirementsRequest, said: str) -> str:
    missing = sorted(set(_NO_WHEEL.findall(said)))
    platform, alias = request.platform, AgentFlowPlatformsField.alias
    if not missing:
        return (
            f"The requirements of {request.address} could not be resolved for {platform}, by its field "
            f"`{alias}`. pex says:\n\n{said.strip()}"
        )
    return softwrap(
        f"""
        {request.address} is for {platform}, by its field `{alias}`, and there is no wheel for it of
        {" and ".join(missing)} as {request.lock} has it. Lock a version that has one; or build one on
        {platform}, and give its hash in the lock and on a page of `[python-repos].find_links`; or take
        {platform} out of `{alias}`.
        """
    )


def rules() -> Iterable[Rule]:
    return collect_rules()
