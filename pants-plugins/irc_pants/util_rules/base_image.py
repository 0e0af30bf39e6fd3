"""The base image of agents: made or fetched once for all that ask for the same."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pants.build_graph.address import InvalidAddressError, MaybeAddress
from pants.core.util_rules.system_binaries import BashBinary
from pants.engine.addresses import Address, AddressInput
from pants.engine.fs import Digest, GlobMatchErrorBehavior, PathGlobs
from pants.engine.process import Process, ProcessCacheScope, ProcessResult
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.target import WrappedTarget, WrappedTargetRequest
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants.base_image_target import (
    OciBaseImageArchiveField,
    OciBaseImageDigestField,
    OciBaseImageImageField,
    OciBaseImageLayoutField,
    OciBaseImageLockField,
    OciBaseImagePackagesField,
    OciBaseImageTarget,
)
from irc_pants.target_types import AgentFlowBaseImageField
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess
from irc_pants.util_rules.registry_image import RegistryImage, RegistryImageRequest

# Images on disk, by path from the build root; any other name is a registry's.
_ON_DISK = re.compile(r"(?P<kind>oci|oci-archive|docker-archive):(?P<path>[^/@][^@]*)(@.*)?")


class BaseImageError(Exception):
    """A field `base_image` names no base image."""


@dataclass(frozen=True)
class HostSuite:
    """What decides which Debian packages this machine offers."""

    description: str


@dataclass(frozen=True)
class BaseImageAddressRequest:
    """To find the target that a field `base_image` names."""

    field: AgentFlowBaseImageField


@dataclass(frozen=True)
class BaseImageAddress:
    """The address in a field `base_image`, or None for what is none."""

    address: Address | None


@dataclass(frozen=True)
class BaseImageRequest:
    """The base image of an agent, as its field says; layers made here are compressed so.

    Attributes:
        platform: None is the machine's own.
    """

    field: AgentFlowBaseImageField
    compression: str
    platform: str | None = None


@dataclass(frozen=True)
class DebianBaseImageRequest:
    """A base of Debian packages: of a lock, or the newest of this machine's suite."""

    compression: str
    platform: str | None
    lock: str | None = None
    packages: tuple[str, ...] = ()
    description_of_origin: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True)
class ExistingBaseImageRequest:
    """An image that exists, as `irc image base --from` takes it."""

    reference: str
    compression: str
    platform: str | None
    description_of_origin: str = dataclasses.field(compare=False)


@dataclass(frozen=True)
class BaseImage:
    """`base.json` and `blobs/`."""

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


@rule
async def find_base_image_address(request: BaseImageAddressRequest) -> BaseImageAddress:
    field = request.field
    if field.value is None or "@sha256:" in field.value:
        return BaseImageAddress(None)
    try:
        parsed = AddressInput.parse(
            field.value,
            relative_to=field.address.spec_path,
            description_of_origin=_origin(field),
        )
    except InvalidAddressError:
        return BaseImageAddress(None)
    found = await Get(MaybeAddress, AddressInput, parsed)
    return BaseImageAddress(found.val if isinstance(found.val, Address) else None)


@rule(desc="Prepare the base image", level=LogLevel.DEBUG)
async def prepare_base_image(request: BaseImageRequest) -> BaseImage:
    field, compression, platform = request.field, request.compression, request.platform
    if field.value is None:
        return await Get(BaseImage, DebianBaseImageRequest(compression, platform))
    origin = _origin(field)
    found = await Get(BaseImageAddress, BaseImageAddressRequest(field))
    if found.address is None:
        if "@sha256:" not in field.value and not _ON_DISK.fullmatch(field.value):
            raise BaseImageError(
                softwrap(
                    f"""
                    {origin} is `{field.value}`: neither the address of an `oci_base_image` nor an
                    image with its digest, `{field.value}@sha256:...`. To find the digest of an image:
                    skopeo inspect --format '{{{{.Digest}}}}' docker://{field.value}
                    """
                )
            )
        return await Get(
            BaseImage, ExistingBaseImageRequest(field.value, compression, platform, origin)
        )
    wrapped = await Get(WrappedTarget, WrappedTargetRequest(found.address, origin))
    target = wrapped.target
    if not isinstance(target, OciBaseImageTarget):
        raise BaseImageError(
            f"{origin} is `{field.value}`: {target.address} is a `{target.alias}`, and not an "
            "`oci_base_image`."
        )
    of_target = f"the target {target.address}"
    lock = target[OciBaseImageLockField].path
    if lock is not None:
        packages = target[OciBaseImagePackagesField].value or ()
        return await Get(
            BaseImage,
            DebianBaseImageRequest(compression, platform, lock, tuple(sorted(packages)), of_target),
        )
    return await Get(
        BaseImage, ExistingBaseImageRequest(_reference(target), compression, platform, of_target)
    )


@rule
async def make_debian_base_image(request: DebianBaseImageRequest) -> BaseImage:
    options = _options(request.compression, request.platform)
    if request.lock is None:
        suite = await Get(HostSuite)
        process = IrcProcess(
            ("image", "base", *options),
            description="Make the base image of Debian packages",
            # The packages are the machine's: another machine's result must not stand in.
            extra_env=FrozenDict({"IRC_HOST_SUITE": suite.description}),
            level=LogLevel.INFO,
        )
    else:
        # Where the lock is not there, irc says how to write it.
        lock = await Get(Digest, PathGlobs([request.lock]))
        packages = (f"--package={name}" for name in request.packages)
        process = IrcProcess(
            ("image", "base", f"--lock={request.lock}", *packages, *options),
            description=f"Make the base image of {request.lock}",
            input_digest=lock,
            level=LogLevel.INFO,
        )
    output = await Get(IrcOutput, IrcProcess, process)
    return BaseImage(output.digest)


@rule
async def take_existing_base_image(request: ExistingBaseImageRequest) -> BaseImage:
    options = _options(request.compression, request.platform)
    match = _ON_DISK.fullmatch(request.reference)
    if match is None:
        taken = await Get(
            RegistryImage, RegistryImageRequest(request.reference, options, request.platform)
        )
        return BaseImage(taken.digest)
    path = match["path"].rstrip("/")
    image = await Get(
        Digest,
        PathGlobs(
            [f"{path}/**" if match["kind"] == "oci" else path],
            GlobMatchErrorBehavior.error,
            description_of_origin=request.description_of_origin,
        ),
    )
    output = await Get(
        IrcOutput,
        IrcProcess(
            ("image", "base", "--from", request.reference, *options),
            description=f"Take the base image {request.reference}",
            input_digest=image,
            level=LogLevel.INFO,
        ),
    )
    return BaseImage(output.digest)


def _options(compression: str, platform: str | None) -> tuple[str, ...]:
    """Options of `irc image base`, for this machine's own platform where it is None."""
    of_platform = () if platform is None else (f"--platform={platform}",)
    return (f"--compression={compression}", *of_platform)


def _origin(field: AgentFlowBaseImageField) -> str:
    return f"the field `{field.alias}` of the target {field.address}"


def _reference(target: OciBaseImageTarget) -> str:
    """What `irc image base --from` takes for a target without a lock."""
    image = target[OciBaseImageImageField].value
    if image is not None:
        return f"docker://{image.removeprefix('docker://')}"
    layout, archive = target[OciBaseImageLayoutField].path, target[OciBaseImageArchiveField].path
    place = f"oci:{layout}" if layout is not None else f"oci-archive:{archive}"
    digest = target[OciBaseImageDigestField].value
    return place if digest is None else f"{place}@{digest}"


def rules() -> Iterable[Rule]:
    return collect_rules()
