"""Goals that ask of targets what all have, on flows and the code around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pants.backend.codegen.export_codegen_goal import ExportCodegen
from pants.backend.project_info import register as project_info
from pants.backend.project_info.dependencies import Dependencies
from pants.backend.project_info.dependents import DependentsGoal
from pants.backend.project_info.paths import PathsGoal
from pants.backend.project_info.peek import Peek
from pants.backend.python.goals.repl import PythonRepl
from pants.core.goals.repl import ReplRequest
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.process import InteractiveProcess
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, mock_console

from irc_pants.testutil.rule_runner import INHERITED, OPTIONS, make_rule_runner, set_options

FLOW = "nodes: {one: {transform: {mode: code, spec: {function: 'shop.text:clean'}}}}\n"


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(ReplRequest, [PythonRepl])], project_info)
    rule_runner.write_files(
        {
            "flows/BUILD": "agent_flow(name='agent', tags=['served'])",
            "flows/flow.yaml": FLOW,
            "src/shop/BUILD": "python_sources()",
            "src/shop/text.py": "",
            "src/shop/desk.py": "from flows.agent import FLOW\n",
            "src/shop/counter.py": "from shop import desk\n",
        }
    )
    return rule_runner


def said(rule_runner: RuleRunner, goal: type[Any], *args: str) -> str:
    """What a goal writes, which ends well."""
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    result = rule_runner.run_goal_rule(goal, global_args=options, args=args, env_inherit=INHERITED)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_code_that_imports_an_agent_depends_on_its_flow(rule_runner: RuleRunner) -> None:
    assert said(rule_runner, Dependencies, "src/shop/desk.py") == "flows:agent\n"
    found = said(rule_runner, Dependencies, "--transitive", "src/shop/counter.py").splitlines()
    assert {
        "flows:agent",
        "src/shop/desk.py",
        "src/shop/text.py",
        "src/irc_runtime/agent.py",
    } <= set(found)


def test_dependents_of_a_flows_function_are_those_of_the_flow(rule_runner: RuleRunner) -> None:
    found = said(rule_runner, DependentsGoal, "src/shop/text.py").splitlines()
    assert found == ["flows:agent", "src/shop:shop"]
    found = said(rule_runner, DependentsGoal, "--transitive", "src/shop/text.py").splitlines()
    assert {"flows:agent", "src/shop/counter.py", "src/shop/desk.py"} <= set(found)


def test_paths_lead_through_a_flow(rule_runner: RuleRunner) -> None:
    options = ("--from=src/shop/counter.py", "--to=src/shop/text.py")
    paths = json.loads(said(rule_runner, PathsGoal, *options))
    assert paths == [["src/shop/counter.py", "src/shop/desk.py", "flows:agent", "src/shop/text.py"]]


def test_peek_shows_the_fields_of_a_flow(rule_runner: RuleRunner) -> None:
    (shown,) = json.loads(said(rule_runner, Peek, "flows:agent"))
    assert (shown["target_type"], shown["sources"]) == ("agent_flow", ["flows/flow.yaml"])
    assert (shown["layout"], shown["tags"]) == ("packed", ["served"])
    assert "src/shop/text.py" in shown["dependencies"]


def test_export_codegen_writes_the_agent(rule_runner: RuleRunner) -> None:
    said(rule_runner, ExportCodegen, "flows:agent")
    exported = Path(rule_runner.build_root, "dist/codegen")
    files = [str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()]
    assert files == ["flows/agent.py"]
    assert (exported / files[0]).read_text() == f"FLOW = {FLOW!r}\n"


def test_a_repl_can_import_the_agent(rule_runner: RuleRunner) -> None:
    set_options(rule_runner)
    targets = (rule_runner.get_target(Address("flows", target_name="agent")),)
    repl = rule_runner.request(ReplRequest, [PythonRepl(targets)])
    process = InteractiveProcess(
        argv=(*repl.args, "-c", "import flows.agent, shop.text; print(flows.agent.FLOW, end='')"),
        env=repl.extra_env,
        input_digest=repl.digest,
        run_in_workspace=True,
    )
    with mock_console(rule_runner.options_bootstrapper) as (_, stdio):
        result = rule_runner.run_interactive_process(process)
        assert result.exit_code == 0, stdio.get_stderr()
        assert stdio.get_stdout() == FLOW


def test_an_import_that_two_flows_may_be_meant_by_is_explained(
    rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture
) -> None:
    rule_runner.write_files(
        {
            f"{folder}/twice/{file}": content
            for folder in ("flows", "src/flows")
            for file, content in (("BUILD", "agent_flow(name='agent')"), ("flow.yaml", FLOW))
        }
    )
    rule_runner.write_files({"src/shop/torn.py": "from flows.twice.agent import FLOW\n"})
    with pytest.raises(ExecutionError, match=r"flows\.twice\.agent"):
        said(rule_runner, Dependencies, "src/shop/torn.py")
    assert "['flows/twice:agent', 'src/flows/twice:agent']" in caplog.text
    assert "explicitly include the dependency you want" in caplog.text
