"""The interpreter that runs `irc`: its build, and byte code that it makes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.engine.fs import EMPTY_DIGEST, Digest, DigestSubset, PathGlobs, Snapshot
from pants.engine.process import (
    FallibleProcessResult,
    Process,
    ProcessCacheScope,
    ProcessResult,
)
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.logging import LogLevel


@dataclass(frozen=True)
class InterpreterBuild:
    """What an interpreter makes of the same input depends on: its build, and its zlib's version."""

    description: str


@dataclass(frozen=True)
class ByteCodeRequest:
    """First-party files, to be compiled by the interpreter that will import them."""

    sources: Digest
    source_roots: tuple[str, ...]
    constraints: InterpreterConstraints
    interpreter: InterpreterBuild


@dataclass(frozen=True)
class ByteCode:
    """The `__pycache__` of each folder with modules.

    Each process has a folder of its own, in which it would compile all that it imports: a quarter
    of its time.
    """

    digest: Digest


@rule(desc="Tell the build of the compiler's interpreter", level=LogLevel.DEBUG)
async def describe_interpreter(constraints: InterpreterConstraints) -> InterpreterBuild:
    python = await Get(PythonExecutable, InterpreterConstraints, constraints)
    result = await Get(
        ProcessResult,
        Process(
            (
                python.path,
                "-I",
                "-c",
                "import sys, zlib; print(sys.version, zlib.ZLIB_RUNTIME_VERSION, sep='; zlib ')",
            ),
            description=f"Tell the build of {python.path}",
            level=LogLevel.DEBUG,
            # As Pants looks for interpreters: an answer is this machine's alone.
            cache_scope=ProcessCacheScope.PER_RESTART_SUCCESSFUL,
        ),
    )
    return InterpreterBuild(result.stdout.decode().strip())


@rule(desc="Compile the compiler of agent flows to byte code", level=LogLevel.DEBUG)
async def compile_byte_code(request: ByteCodeRequest) -> ByteCode:
    sources = await Get(Snapshot, Digest, request.sources)
    modules = [path for path in sources.files if path.endswith(".py")]
    if not modules:  # it is all in the requirements
        return ByteCode(EMPTY_DIGEST)
    python = await Get(PythonExecutable, InterpreterConstraints, request.constraints)
    # A file that is no Python of this version is the matter of who imports it: the others are compiled.
    result = await Get(
        FallibleProcessResult,
        Process(
            # By the hash of sources, and not looked at again: the files have no times to compare.
            # Each by its name: on a remote worker, the folder may be the root of its system.
            (
                *(python.path, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"),
                *modules,
            ),
            input_digest=request.sources,
            output_directories=request.source_roots,
            env={
                "IRC_INTERPRETER": request.interpreter.description,
                "PYTHONHASHSEED": "0",  # else sets of constants are in another order each time
            },
            description="Compile the compiler of agent flows to byte code",
            level=LogLevel.DEBUG,
            cache_scope=ProcessCacheScope.ALWAYS,
        ),
    )
    return ByteCode(
        await Get(Digest, DigestSubset(result.output_digest, PathGlobs(["**/__pycache__/*.pyc"])))
    )


def rules() -> Iterable[Rule]:
    return collect_rules()
