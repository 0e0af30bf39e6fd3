"""Where the compiler is found, and what is read when it fails."""

from __future__ import annotations

import pytest
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import STAND_IN, cause_of, make_rule_runner
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
    return make_rule_runner([QueryRule(IrcOutput, [IrcProcess]), QueryRule(IrcTool, [IrcCommand])])


def failure(rule_runner: RuleRunner, output: type, request: object) -> Exception:
    with pytest.raises(ExecutionError) as error:
        rule_runner.request(output, [request])
    return cause_of(error.value)


def test_a_subcommand_carries_its_own_sources(rule_runner: RuleRunner) -> None:
    tool = rule_runner.request(IrcTool, [IrcCommand("image")])
    assert tool.source_roots == ("src",)
    snapshot = rule_runner.make_snapshot(
        {path: STAND_IN[path] for path in ("src/irc/__main__.py", "src/irc/cli/image.py")}
    )
    assert tool.sources == snapshot.digest


def test_a_compiler_that_is_missing_is_named(rule_runner: RuleRunner) -> None:
    cause = failure(rule_runner, IrcTool, IrcCommand("graph"))
    assert isinstance(cause, IrcNotFoundError)
    assert str(cause) == (
        "The compiler's module `irc.cli.graph` is provided by no target of the resolve"
        " `python-default`. Set `[irc].install_from_resolve` to the resolve with the compiler."
    )


def test_the_reason_of_a_failure_is_given(rule_runner: RuleRunner) -> None:
    process = IrcProcess(("image", "base", "--from", "fail"), description="Take the base image")
    cause = failure(rule_runner, IrcOutput, process)
    assert isinstance(cause, IrcError)
    assert str(cause) == "Take the base image: no such image"
