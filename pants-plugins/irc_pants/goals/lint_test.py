"""What the goals `lint` and `fmt` do to flows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants.core.goals.fmt import Fmt
from pants.core.goals.lint import Lint, LintResult
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import GoalRuleResult, RuleRunner

from irc_pants.goals.lint import AgentFlowLintFieldSet, AgentFlowLintRequest
from irc_pants.testutil.rule_runner import INHERITED, OPTIONS, make_rule_runner, set_options

FLOWS = {"good": "good\n", "odd": "odd\n", "ugly": "broken\n", "untidy": "  untidy\n"}


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(LintResult, [AgentFlowLintRequest.Batch])])
    rule_runner.write_files(
        {
            f"flows/{name}/{file}": content
            for name, flow in FLOWS.items()
            for file, content in (("BUILD", "agent_flow(name='agent')"), ("flow.yaml", flow))
        }
    )
    return rule_runner


def run(
    rule_runner: RuleRunner, goal: type[Lint | Fmt], names: list[str], *options: str
) -> GoalRuleResult:
    return rule_runner.run_goal_rule(
        goal,
        global_args=[*(f"--{name}={value}" for name, value in OPTIONS.items()), *options],
        args=[f"flows/{name}:agent" for name in names],
        env_inherit=INHERITED,
    )


def found(rule_runner: RuleRunner, *names: str) -> tuple[int, str]:
    """The exit status of the linter, and what it says."""
    targets = [rule_runner.get_target(Address(f"flows/{x}", target_name="agent")) for x in names]
    elements = tuple(AgentFlowLintFieldSet.create(target) for target in targets)
    result = rule_runner.request(LintResult, [AgentFlowLintRequest.Batch("irc", elements, None)])
    return result.exit_code, result.stdout


def test_warnings_are_told_and_fail_where_an_option_says_so(rule_runner: RuleRunner) -> None:
    set_options(rule_runner)
    told = "flows/odd/flow.yaml:1:1: warning[W101]: it is odd"
    assert found(rule_runner, "good", "odd") == (0, told)
    set_options(rule_runner, {"irc-error": "['W101']"})
    assert found(rule_runner, "good", "odd") == (1, told.replace("warning", "error"))
    assert run(rule_runner, Lint, ["good", "odd"], "--irc-error=['W101']").exit_code == 1


def test_each_flow_that_does_not_compile_is_told(rule_runner: RuleRunner) -> None:
    set_options(rule_runner)
    status, said = found(rule_runner, "ugly", "good", "odd")
    assert status == 1
    assert said.splitlines() == [
        "flows/ugly/flow.yaml:1:1: error[E101]: it is broken",
        "",
        "flows/odd/flow.yaml:1:1: warning[W101]: it is odd",
    ]


def test_the_layout_is_held_against_that_of_fmt(rule_runner: RuleRunner) -> None:
    result = run(rule_runner, Lint, ["good", "untidy"])
    assert result.exit_code == 1
    assert {"✕ irc fmt failed.", "✓ irc succeeded."} <= set(result.stderr.splitlines())
    assert text_of(rule_runner, "untidy") == FLOWS["untidy"]


def test_fmt_lays_out_what_it_can_read(
    rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(rule_runner, Fmt, ["good", "ugly", "untidy"])
    assert result.exit_code == 0
    assert "irc fmt made changes." in result.stderr
    assert text_of(rule_runner, "untidy") == "untidy\n"
    assert text_of(rule_runner, "ugly") == FLOWS["ugly"]
    assert "flows/ugly/flow.yaml:1:1: error[E101]: it is broken" in caplog.text


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        ((), {"irc", "irc fmt"}),
        (("--irc-skip",), set()),
        (("--irc-lint-skip",), {"irc fmt"}),
        (("--irc-fmt-skip",), {"irc"}),
        (("--lint-only=['irc-fmt']",), {"irc fmt"}),
        (("--lint-skip-formatters",), {"irc"}),
    ],
)
def test_each_can_be_skipped(
    rule_runner: RuleRunner, options: tuple[str, ...], ran: set[str]
) -> None:
    stderr = run(rule_runner, Lint, ["good"], *options).stderr
    lines = [line for line in stderr.splitlines() if line.startswith("✓")]
    assert set(lines) == {f"✓ {name} succeeded." for name in ran}


def text_of(rule_runner: RuleRunner, name: str) -> str:
    return Path(rule_runner.build_root, "flows", name, "flow.yaml").read_text()
