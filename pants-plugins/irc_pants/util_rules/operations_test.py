"""Packages of `[irc].operations`: the compiler finds their entry points."""

from __future__ import annotations

import pytest
from pants.engine.fs import Digest, DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import cause_of, make_rule_runner, set_options
from irc_pants.util_rules.irc_process import IrcCommand, IrcOutput, IrcProcess, IrcTool

PROCESS = IrcProcess(("compile", "flow.yaml"), description="Compile a flow")

LISTING = """\
import importlib.metadata, os

def main(argv):
    entries = importlib.metadata.entry_points(group="irc.operations")
    lines = [f"{entry.name} of {entry.dist.name}: {entry.load()}\\n" for entry in entries]
    os.makedirs(argv[-1])
    with open(f"{argv[-1]}/operations", "w") as file:
        file.writelines(lines)
"""

PACKAGE = {
    "src/BUILD": (
        "resources(name='acme', sources=['acme_ops-1.0.dist-info/*'], dependencies=['src/acme_ops'])"
    ),
    "src/acme_ops-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme-ops\nVersion: 1.0\n",
    "src/acme_ops-1.0.dist-info/entry_points.txt": (
        "[irc.operations]\nacme.geocode = acme_ops.compiling:GEOCODE\n"
    ),
    "src/acme_ops/BUILD": "python_sources()",
    "src/acme_ops/compiling.py": "import pex\n\nGEOCODE = 'the operation'\n",
}


@pytest.fixture
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(IrcOutput, [IrcProcess]),
            QueryRule(IrcTool, [IrcCommand]),
            QueryRule(DigestContents, [Digest]),
        ]
    )
    rule_runner.write_files({"src/irc/cli/compile.py": LISTING, **PACKAGE})
    return rule_runner


def operations(rule_runner: RuleRunner) -> str:
    """The entry points that a process of the compiler finds."""
    digest = rule_runner.request(IrcOutput, [PROCESS]).digest
    (file,) = rule_runner.request(DigestContents, [digest])
    return file.content.decode()


def test_the_compiler_finds_what_the_option_names(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"irc-operations": "['src:acme']"})
    assert operations(rule_runner) == "acme.geocode of acme-ops: the operation\n"


def test_without_the_option_there_are_none(rule_runner: RuleRunner) -> None:
    assert operations(rule_runner) == ""


def test_other_subcommands_do_not_carry_them(rule_runner: RuleRunner) -> None:
    plain = rule_runner.request(IrcTool, [IrcCommand("image")])
    set_options(rule_runner, {"irc-operations": "['src:acme']"})
    assert rule_runner.request(IrcTool, [IrcCommand("image")]) == plain


def test_an_address_that_is_wrong_is_told_with_the_option(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, {"irc-operations": "['src:acmee']"})
    with pytest.raises(ExecutionError) as error:
        rule_runner.request(IrcTool, [IrcCommand("compile")])
    assert "the option `[irc].operations`" in str(cause_of(error.value))
