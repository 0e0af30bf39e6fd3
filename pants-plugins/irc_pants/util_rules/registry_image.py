"""A base image of a registry, fetched with a user's own credentials, and kept for all.

Its name holds its digest, so the result is the same whoever fetches it. What a user's credentials and
proxies are must not get into its key, and a proxy's password into no cache: docs/design/0021-remote.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest, RemovePrefix
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants.util_rules.irc_process import CACHE_DIR, OUTPUT_DIR, IrcError, IrcProcess

# Blobs by their digests, in a folder that processes of one machine share.
_FETCHED = f"{CACHE_DIR}/images"

# Where skopeo finds credentials and their helpers, and how it reaches a registry.
_ENVIRONMENT = (
    *("DOCKER_CONFIG", "HOME", "PATH", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
    *("SSL_CERT_DIR", "SSL_CERT_FILE"),
)

# How long to wait for a remote cache before running what will fail here; a lookup itself ends after
# `remote_cache_rpc_timeout_millis`.
_CACHE_PATIENCE_MS = 60_000

_NOT_SHARED = softwrap(
    """
    It was fetched where this process does not look. With remote execution, set
    `[GLOBAL].remote_execution_append_only_caches_base_path`, or keep the image in the repository, as a
    layout or an archive.
    """
)


@dataclass(frozen=True)
class RegistryImageRequest:
    """An image by its name and digest.

    Attributes:
        options: of `irc image base`.
        platform: None is the machine's own.
    """

    reference: str
    options: tuple[str, ...]
    platform: str | None


@dataclass(frozen=True)
class RegistryImage:
    """`base.json` and `blobs/`."""

    digest: Digest


@dataclass(frozen=True)
class FetchImageRequest:
    reference: str
    platform: str | None


@dataclass(frozen=True)
class FetchedImage:
    """An image is in the folder of fetched ones."""


@rule(desc="Take the base image of a registry", level=LogLevel.DEBUG)
async def take_registry_image(request: RegistryImageRequest) -> RegistryImage:
    description = f"Take the base image {request.reference}"
    process = await Get(
        Process,
        IrcProcess(
            (
                *("image", "base", "--from", request.reference, "--fetched", _FETCHED),
                *request.options,
            ),
            description=description,
        ),
    )
    # Of a cache; where none has it, the image is fetched, unless this machine has fetched it before.
    # Processes that differ in this delay have one key.
    asking = dataclasses.replace(process, remote_cache_speculation_delay_millis=_CACHE_PATIENCE_MS)
    result = await Get(FallibleProcessResult, Process, asking)
    if result.exit_code != 0:
        await Get(FetchedImage, FetchImageRequest(request.reference, request.platform))
        result = await Get(FallibleProcessResult, Process, process)
    if result.exit_code != 0:
        said = _said(result)
        hint = f"\n{_NOT_SHARED}" if "has no blob" in said else ""
        raise IrcError(f"{description}: {said}{hint}")
    return RegistryImage(await Get(Digest, RemovePrefix(result.output_digest, OUTPUT_DIR)))


@rule(desc="Fetch an image", level=LogLevel.DEBUG)
async def fetch_image(request: FetchImageRequest) -> FetchedImage:
    description = f"Fetch the base image {request.reference}"
    platform = () if request.platform is None else (f"--platform={request.platform}",)
    environment = await Get(EnvironmentVars, EnvironmentVarsRequest(_ENVIRONMENT))
    result = await Get(
        FallibleProcessResult,
        IrcProcess(
            ("image", "fetch", request.reference, "--into", _FETCHED, *platform),
            description=description,
            has_output=False,
            extra_env=FrozenDict(environment),
            level=LogLevel.INFO,
            # No remote cache is asked or told: the command has the environment.
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    if result.exit_code != 0:
        raise IrcError(f"{description}: {_said(result)}")
    return FetchedImage()


def _said(result: FallibleProcessResult) -> str:
    return (result.stdout + result.stderr).decode().strip().removeprefix("Error: ")


def rules() -> Iterable[Rule]:
    return collect_rules()
