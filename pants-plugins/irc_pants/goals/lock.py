"""`generate-lockfiles`: the locks of Debian packages that base images are made of.

The resolve's name is the path of the lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.goals.generate_lockfiles import (
    GenerateLockfile,
    GenerateLockfileResult,
    KnownUserResolveNames,
    KnownUserResolveNamesRequest,
    RequestedUserResolveNames,
    UserGenerateLockfiles,
    WrappedGenerateLockfile,
)
from pants.engine.fs import AddPrefix, Digest
from pants.engine.process import ProcessCacheScope
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.target import AllUnexpandedTargets
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from irc_pants.base_image_target import (
    OciBaseImageLockField,
    OciBaseImagePackagesField,
    OciBaseImagePlatformsField,
)
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess


class KnownBaseImageLocksRequest(KnownUserResolveNamesRequest):
    """Which locks base images have."""


class RequestedBaseImageLocks(RequestedUserResolveNames):
    """Paths of locks to write."""


@dataclass(frozen=True)
class GenerateBaseImageLock(GenerateLockfile):
    """To write the lock of a base image.

    Attributes:
        packages: what it shall have besides the interpreter.
        platforms: none is the machine's own.
    """

    packages: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True)
class BaseImageLocks:
    """The packages and platforms of each lock, by its path; targets with one lock add up theirs."""

    locks: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]


@rule
async def find_base_image_locks(targets: AllUnexpandedTargets) -> BaseImageLocks:
    packages: dict[str, set[str]] = {}
    platforms: dict[str, set[str]] = {}
    for target in targets:
        path = (
            target[OciBaseImageLockField].path if target.has_field(OciBaseImageLockField) else None
        )
        if path is not None:
            packages.setdefault(path, set()).update(target[OciBaseImagePackagesField].value or ())
            platforms.setdefault(path, set()).update(target[OciBaseImagePlatformsField].value or ())
    return BaseImageLocks(
        tuple(
            (path, tuple(sorted(packages[path])), tuple(sorted(platforms[path])))
            for path in sorted(packages)
        )
    )


@rule
async def name_base_image_locks(
    _: KnownBaseImageLocksRequest, locks: BaseImageLocks
) -> KnownUserResolveNames:
    return KnownUserResolveNames(
        names=tuple(path for path, *_ in locks.locks),
        option_name="the field `lock` of `oci_base_image` targets",
        requested_resolve_names_cls=RequestedBaseImageLocks,
    )


@rule
async def request_base_image_locks(
    requested: RequestedBaseImageLocks, locks: BaseImageLocks
) -> UserGenerateLockfiles:
    return UserGenerateLockfiles(
        GenerateBaseImageLock(
            resolve_name=path,
            lockfile_dest=path,
            diff=False,
            packages=packages,
            platforms=platforms,
        )
        for path, packages, platforms in locks.locks
        if path in requested
    )


@rule
async def wrap_base_image_lock(request: GenerateBaseImageLock) -> WrappedGenerateLockfile:
    return WrappedGenerateLockfile(request)


@rule(desc="Lock the Debian packages of a base image", level=LogLevel.DEBUG)
async def generate_base_image_lock(request: GenerateBaseImageLock) -> GenerateLockfileResult:
    folder, name = os.path.split(request.lockfile_dest)
    output = await Get(
        IrcOutput,
        IrcProcess(
            (
                *("image", "lock", f"--name={name}"),
                *(f"--package={it}" for it in request.packages),
                *(f"--platform={it}" for it in request.platforms),
            ),
            description=f"Lock the Debian packages of {request.lockfile_dest}",
            level=LogLevel.INFO,
            # Mirrors move.
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    digest = await Get(Digest, AddPrefix(output.digest, folder))
    return GenerateLockfileResult(digest, request.resolve_name, request.lockfile_dest)


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(KnownUserResolveNamesRequest, KnownBaseImageLocksRequest),
        UnionRule(RequestedUserResolveNames, RequestedBaseImageLocks),
        UnionRule(GenerateLockfile, GenerateBaseImageLock),
    )
