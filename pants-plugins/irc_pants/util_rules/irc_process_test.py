"""Where the compiler is found, and what is read when it fails."""

from __future__ import annotations

import os
import subprocess

import pytest
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex_environment import PythonExecutable
from pants.engine.fs import DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.process import Process
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.compiler import STAND_IN
from irc_pants.testutil.rule_runner import cause_of, make_rule_runner
from irc_pants.util_rules.interpreter import ByteCode, ByteCodeRequest, InterpreterBuild
from irc_pants.util_rules.irc_process import (
    IrcCommand,
    IrcError,
    IrcNotFoundError,
    IrcOutput,
    IrcProcess,
    IrcTool,
)


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner(
        [
            QueryRule(IrcOutput, [IrcProcess]),
            QueryRule(IrcTool, [IrcCommand]),
            QueryRule(Process, [IrcProcess]),
            QueryRule(PythonExecutable, [InterpreterConstraints]),
            QueryRule(InterpreterBuild, [InterpreterConstraints]),
            QueryRule(ByteCode, [ByteCodeRequest]),
        ]
    )


def failure(rule_runner: RuleRunner, output: type, request: object) -> Exception:
    with pytest.raises(ExecutionError) as error:
        rule_runner.request(output, [request])
    return cause_of(error.value)


def test_a_subcommand_carries_its_own_sources(rule_runner: RuleRunner) -> None:
    tool = rule_runner.request(IrcTool, [IrcCommand("image")])
    assert tool.source_roots == ("src",)
    contents = rule_runner.request(DigestContents, [tool.sources])
    files = {file.path: file.content for file in contents}
    modules = {path: STAND_IN[path] for path in ("src/irc/__main__.py", "src/irc/cli/image.py")}
    byte_code = {
        "src/irc/__pycache__/__main__.cpython-311.pyc",
        "src/irc/cli/__pycache__/image.cpython-311.pyc",
    }
    assert files.keys() == modules.keys() | byte_code
    assert {path: files[path].decode() for path in modules} == modules
    # PEP 552: by a hash of the source, which nobody compares.
    assert {files[path][4:8] for path in byte_code} == {b"\x01\0\0\0"}


def test_sources_are_written_once_for_all_processes(rule_runner: RuleRunner) -> None:
    tool = rule_runner.request(IrcTool, [IrcCommand("image")])
    process = rule_runner.request(Process, [IrcProcess(("image", "deps"), description="")])
    assert dict(process.immutable_input_digests) == {"__irc_sources__": tool.sources}
    assert process.env["PEX_EXTRA_SYS_PATH"] == "__irc_sources__/src"


@pytest.mark.parametrize("root", ["src", "."])
def test_a_file_that_is_no_python_leaves_the_others_compiled(
    rule_runner: RuleRunner, root: str
) -> None:
    constraints = InterpreterConstraints(["==3.11.*"])
    build = rule_runner.request(InterpreterBuild, [constraints])
    sources = rule_runner.make_snapshot(
        {f"{root}/good.py": "A = 1\n", f"{root}/bad.py": "{{ a }\n"}
    )
    request = ByteCodeRequest(sources.digest, (root,), constraints, build)
    made = rule_runner.request(ByteCode, [request])
    (file,) = rule_runner.request(DigestContents, [made.digest])
    assert file.path == os.path.normpath(f"{root}/__pycache__/good.cpython-311.pyc")


def test_a_compiler_that_is_missing_is_named(rule_runner: RuleRunner) -> None:
    cause = failure(rule_runner, IrcTool, IrcCommand("graph"))
    assert isinstance(cause, IrcNotFoundError)
    assert str(cause) == (
        "The compiler's module `irc.cli.graph` is provided by no target of the resolve"
        " `python-default`. Set `[irc].install_from_resolve` to the resolve with the compiler."
    )


def test_the_build_of_the_interpreter_is_part_of_the_key(rule_runner: RuleRunner) -> None:
    constraints = InterpreterConstraints(["==3.11.*"])
    python = rule_runner.request(PythonExecutable, [constraints]).path
    program = "import sys, zlib; print(sys.version); print(zlib.ZLIB_RUNTIME_VERSION)"
    told = subprocess.check_output([python, "-c", program], text=True).splitlines()
    process = rule_runner.request(Process, [IrcProcess(("image", "deps"), description="")])
    assert process.env["IRC_INTERPRETER"] == "; zlib ".join(told)


def test_the_reason_of_a_failure_is_given(rule_runner: RuleRunner) -> None:
    process = IrcProcess(("image", "base", "--from", "fail"), description="Take the base image")
    cause = failure(rule_runner, IrcOutput, process)
    assert isinstance(cause, IrcError)
    assert str(cause) == "Take the base image: no such image"
