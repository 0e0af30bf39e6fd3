"""The layers that agents share: the base image, and third-party requirements."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.util_rules.pex import Pex
from pants.core.util_rules.system_binaries import BashBinary
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import EMPTY_DIGEST, Digest, GlobMatchErrorBehavior, PathGlobs
from pants.engine.process import Process, ProcessCacheScope, ProcessResult
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess

# Images on disk, by path from the build root; any other name is a registry's.
_ON_DISK = re.compile(r"(?P<kind>oci|oci-archive):(?P<path>[^/].*)@sha256:[0-9a-f]{64}")

# Where skopeo finds credentials.
_REGISTRY_ENV = ("HOME", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR")


@dataclass(frozen=True)
class HostSuite:
    """What decides which Debian packages this machine offers."""

    description: str


@dataclass(frozen=True)
class BaseImageRequest:
    """The value of a field `base_image`."""

    reference: str | None
    compression: str
    description_of_origin: str = dataclasses.field(compare=False)


@dataclass(frozen=True)
class BaseImage:
    """`base.json` and `blobs/`."""

    digest: Digest


@dataclass(frozen=True)
class RequirementLayersRequest:
    """A packed PEX of third-party requirements, to be made layers."""

    pex: Pex
    compression: str


@dataclass(frozen=True)
class RequirementLayers:
    """`deps.json` and `blobs/`."""

    digest: Digest


@rule(desc="Find this machine's distribution release", level=LogLevel.DEBUG)
async def find_host_suite(bash: BashBinary) -> HostSuite:
    result = await Get(
        ProcessResult,
        Process(
            (bash.path, "-c", "cat /etc/os-release; uname -m"),
            env={"PATH": "/usr/bin:/bin"},
            description="Find this machine's distribution release",
            level=LogLevel.DEBUG,
            cache_scope=ProcessCacheScope.PER_RESTART_SUCCESSFUL,
        ),
    )
    return HostSuite(result.stdout.decode())


@rule(desc="Prepare the base image", level=LogLevel.DEBUG)
async def prepare_base_image(request: BaseImageRequest) -> BaseImage:
    if request.reference is None:
        suite = await Get(HostSuite)
        process = IrcProcess(
            ("image", "base", f"--compression={request.compression}"),
            description="Make the base image of Debian packages",
            # The packages are the machine's: another machine's result must not stand in.
            extra_env=FrozenDict({"IRC_HOST_SUITE": suite.description}),
            level=LogLevel.INFO,
        )
    else:
        match = _ON_DISK.fullmatch(request.reference)
        image, environment = EMPTY_DIGEST, EnvironmentVars()
        if match:
            path = match["path"].rstrip("/")
            image = await Get(
                Digest,
                PathGlobs(
                    [path if match["kind"] == "oci-archive" else f"{path}/**"],
                    GlobMatchErrorBehavior.error,
                    description_of_origin=request.description_of_origin,
                ),
            )
        else:
            environment = await Get(EnvironmentVars, EnvironmentVarsRequest(_REGISTRY_ENV))
        process = IrcProcess(
            ("image", "base", "--from", request.reference),
            description=f"Take the base image {request.reference}",
            input_digest=image,
            extra_env=FrozenDict(environment),
            level=LogLevel.INFO,
        )
    output = await Get(IrcOutput, IrcProcess, process)
    return BaseImage(output.digest)


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
