"""What `run` starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pants.core.goals.run import RunDebugAdapterRequest, RunRequest
from pants.engine.addresses import Address
from pants.engine.fs import Digest, DigestSubset, PathGlobs, Snapshot
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.process import InteractiveProcess
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, mock_console

from irc_pants.goals.run import AgentFlowRunFieldSet
from irc_pants.testutil.rule_runner import cause_of, make_rule_runner, set_options

DEBUGPY = {
    "python-resolves": (
        "{'python-default': 'default.lock', 'pytest': 'pytest.lock', 'debugpy': 'debugpy.lock'}"
    ),
    "debugpy-install-from-resolve": "debugpy",
}


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(RunRequest, [AgentFlowRunFieldSet]),
            QueryRule(RunDebugAdapterRequest, [AgentFlowRunFieldSet]),
            QueryRule(Snapshot, [DigestSubset]),
        ]
    )
    rule_runner.write_files(
        {
            "flows/BUILD": "agent_flow(name='agent')\nagent_flow(name='f', source='f.flow.yaml')",
            # The stand-in for the compiler writes this text into an agent that prints its arguments.
            "flows/flow.yaml": "serves",
            "flows/f.flow.yaml": "deployment: {target: lambda}",
            "debugpy.lock": Path("3rdparty/python/debugpy.lock").read_text(),
        }
    )
    return rule_runner


def field_set(rule_runner: RuleRunner, name: str = "agent") -> AgentFlowRunFieldSet:
    return AgentFlowRunFieldSet.create(rule_runner.get_target(Address("flows", target_name=name)))


def test_the_agent_is_started_on_a_free_port(rule_runner: RuleRunner) -> None:
    request = rule_runner.request(RunRequest, [field_set(rule_runner)])
    process = InteractiveProcess(
        argv=(*request.args, "--http_port=8090"),
        env=request.extra_env,
        input_digest=request.digest,
        run_in_workspace=True,
        immutable_input_digests=request.immutable_input_digests,
        append_only_caches=request.append_only_caches,
    )
    with mock_console(rule_runner.options_bootstrapper) as (_, stdio):
        result = rule_runner.run_interactive_process(process)
        assert result.exit_code == 0, stdio.get_stderr()
        assert json.loads(stdio.get_stdout()) == [
            "--http_port=0",
            "--enable_grpc=false",
            "--http_port=8090",  # what a user adds comes later, and counts
        ]


def test_the_line_map_stands_beside_the_agent(rule_runner: RuleRunner) -> None:
    request = rule_runner.request(RunRequest, [field_set(rule_runner)])
    assert files_of(rule_runner, request.digest) >= {"flows/agent.py", "flows/agent.map.json"}


def test_debugpy_waits_for_a_client_and_starts_the_agent(rule_runner: RuleRunner) -> None:
    set_options(rule_runner, DEBUGPY)
    request = rule_runner.request(RunDebugAdapterRequest, [field_set(rule_runner)])
    set_options(rule_runner)
    arguments = list(request.args)
    assert arguments[arguments.index("--listen") + 1] == "127.0.0.1:5678"
    assert "--wait-for-client" in arguments
    # debugpy itself, beside what the agent imports
    (place,) = (
        place
        for place in request.extra_env["PEX_EXTRA_SYS_PATH"].split(":")
        if place.startswith("{chroot}/debugpy.pex/.deps/debugpy-")
    )
    assert place.endswith(".whl")
    assert arguments[-2:] == ["--http_port=0", "--enable_grpc=false"]
    assert "flows/agent.map.json" in files_of(rule_runner, request.digest)


def test_a_function_is_not_served(rule_runner: RuleRunner) -> None:
    with pytest.raises(ExecutionError) as error:
        rule_runner.request(RunRequest, [field_set(rule_runner, "f")])
    assert str(cause_of(error.value)) == (
        "flows:f has the deployment target `lambda`: it is no server, but a function that AWS Lambda"
        " calls. `test` runs its cases, and `package` makes its archive."
    )


def files_of(rule_runner: RuleRunner, digest: Digest) -> set[str]:
    subset = DigestSubset(digest, PathGlobs(["flows/**"]))
    return set(rule_runner.request(Snapshot, [subset]).files)
