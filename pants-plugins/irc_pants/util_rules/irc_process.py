"""Running the `irc` command as a process of its own, under the Python of the agents.

Its third-party requirements are a PEX; its sources stand beside it, so that an edit of the compiler
rebuilds no PEX. A subcommand carries only what it imports: each caches by itself.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFiles,
    PythonSourceFilesRequest,
)
from pants.engine.addresses import Addresses, UnparsedAddressInputs
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import (
    EMPTY_DIGEST,
    Digest,
    MergeDigests,
    RemovePrefix,
)
from pants.engine.process import (
    FallibleProcessResult,
    Process,
    ProcessCacheScope,
)
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest
from pants.engine.unions import UnionRule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants import subsystem
from irc_pants.subsystem import Irc
from irc_pants.util_rules import interpreter
from irc_pants.util_rules.interpreter import ByteCode, ByteCodeRequest, InterpreterBuild

logger = logging.getLogger(__name__)

OUTPUT_DIR = "__irc__"
SOURCES_DIR = "__irc_sources__"
CACHE_DIR = ".cache/irc"
COMPILE = "compile"
"""The subcommand that knows operations; the others read what it has written."""


class IrcNotFoundError(Exception):
    """No target provides the compiler."""


class IrcError(Exception):
    """A process of `irc` failed for a reason that it has given."""


@dataclass(frozen=True)
class IrcCommand:
    """A subcommand: its name is that of its module in `irc.cli`."""

    name: str


@dataclass(frozen=True)
class IrcTool:
    """What running a subcommand takes.

    Attributes:
        interpreter: that runs it.
        sources: first-party files, below their source roots, with their byte code.
    """

    requirements: VenvPex
    interpreter: InterpreterBuild
    sources: Digest
    source_roots: tuple[str, ...]


@dataclass(frozen=True)
class IrcProcess:
    """A run of `irc`, which writes below OUTPUT_DIR, or files that it has been given.

    Attributes:
        argv: the subcommand and its arguments, without `--output-dir`.
        output_files: those that it rewrites; then there is no OUTPUT_DIR.
        has_output: whether it writes anything but to CACHE_DIR.
    """

    argv: tuple[str, ...]
    description: str = dataclasses.field(compare=False)
    input_digest: Digest = EMPTY_DIGEST
    output_files: tuple[str, ...] = ()
    has_output: bool = True
    extra_env: FrozenDict[str, str] = dataclasses.field(default_factory=FrozenDict)
    level: LogLevel = LogLevel.DEBUG
    cache_scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL


@dataclass(frozen=True)
class IrcOutput:
    """What a run of `irc` that succeeded has written."""

    digest: Digest


@rule(desc="Prepare the compiler of agent flows", level=LogLevel.DEBUG)
async def prepare_irc(command: IrcCommand, irc: Irc, python_setup: PythonSetup) -> IrcTool:
    resolve = irc.resolve(python_setup)
    modules = ("irc.__main__", f"irc.cli.{command.name}")
    owners = await MultiGet(
        Get(PythonModuleOwners, PythonModuleOwnersRequest(module, resolve)) for module in modules
    )
    for module, owner in zip(modules, owners):
        if not owner.unambiguous:
            found = ", ".join(address.spec for address in owner.ambiguous)
            raise IrcNotFoundError(
                softwrap(
                    f"""
                    The compiler's module `{module}` is provided by
                    {f"several targets ({found})" if found else "no target"} of the resolve
                    `{resolve}`. Set `[irc].install_from_resolve` to the resolve with the compiler.
                    """
                )
            )
    roots = {address for owner in owners for address in owner.unambiguous}
    if command.name == COMPILE and irc.operations:
        roots.update(await Get(Addresses, UnparsedAddressInputs, irc.operation_addresses))
    addresses = sorted(roots)
    transitive_targets, pex_request = await MultiGet(
        Get(TransitiveTargets, TransitiveTargetsRequest(addresses)),
        Get(
            PexRequest,
            PexFromTargetsRequest(
                addresses,
                output_filename="irc.pex",
                internal_only=True,
                include_source_files=False,
                main=EntryPoint("irc"),
                # The processes that irc starts need PEX_EXTRA_SYS_PATH too.
                additional_args=("--no-strip-pex-env",),
            ),
        ),
    )
    requirements, build, sources = await MultiGet(
        Get(VenvPex, PexRequest, pex_request),
        Get(InterpreterBuild, InterpreterConstraints, pex_request.interpreter_constraints),
        Get(PythonSourceFiles, PythonSourceFilesRequest(transitive_targets.closure)),
    )
    files = sources.source_files.snapshot.digest
    byte_code = await Get(
        ByteCode,
        ByteCodeRequest(
            files, sources.source_roots, pex_request.interpreter_constraints, build
        ),
    )
    with_byte_code = await Get(Digest, MergeDigests((files, byte_code.digest)))
    return IrcTool(requirements, build, with_byte_code, sources.source_roots)


@rule
async def setup_irc_process(request: IrcProcess) -> Process:
    output_dirs = (OUTPUT_DIR,) if request.has_output and not request.output_files else ()
    tool, environment = await MultiGet(
        Get(IrcTool, IrcCommand(request.argv[0])),
        # The time that outputs hold, where they hold one.
        Get(EnvironmentVars, EnvironmentVarsRequest(["SOURCE_DATE_EPOCH"])),
    )
    process = await Get(
        Process,
        VenvPexProcess(
            tool.requirements,
            argv=(
                *request.argv,
                *(part for name in output_dirs for part in ("--output-dir", name)),
            ),
            input_digest=request.input_digest,
            # Compiled nodes: a process that runs at all finds those that have not changed.
            append_only_caches={"irc_compiler": CACHE_DIR},
            extra_env={
                **environment,
                **request.extra_env,
                "IRC_CACHE_DIR": CACHE_DIR,
                # Pants knows interpreters by their paths, at which machines have different ones.
                "IRC_INTERPRETER": tool.interpreter.description,
                "PEX_EXTRA_SYS_PATH": ":".join(
                    os.path.join(SOURCES_DIR, root) for root in tool.source_roots
                ),
            },
            output_files=request.output_files or None,
            output_directories=output_dirs or None,
            description=request.description,
            level=request.level,
            cache_scope=request.cache_scope,
        ),
    )
    # Immutable: written once for all processes of a daemon, and not for each.
    immutable = {**process.immutable_input_digests, SOURCES_DIR: tool.sources}
    return dataclasses.replace(process, immutable_input_digests=FrozenDict(immutable))


@rule
async def run_irc(request: IrcProcess) -> IrcOutput:
    result = await Get(FallibleProcessResult, IrcProcess, request)
    said = (result.stdout + result.stderr).decode().strip()
    if result.exit_code != 0:
        raise IrcError(f"{request.description}: {said.removeprefix('Error: ')}")
    if said:
        logger.warning(f"{request.description}: {said}")
    return IrcOutput(await Get(Digest, RemovePrefix(result.output_digest, OUTPUT_DIR)))


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *subsystem.rules(), *interpreter.rules())
