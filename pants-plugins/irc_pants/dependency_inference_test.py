"""What an agent flow depends on."""

from __future__ import annotations

from textwrap import dedent

import pytest
from pants.engine.addresses import Address, Addresses
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.engine.target import DependenciesRequest
from pants.testutil.rule_runner import RuleRunner

from irc_pants.target_types import AgentFlowDependenciesField
from irc_pants.testutil.rule_runner import cause_of, make_rule_runner, set_options


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner([QueryRule(Addresses, [DependenciesRequest])])


def dependencies(rule_runner: RuleRunner, files: dict[str, str]) -> set[str]:
    """The addresses that `flows:agent` depends on, by their specs."""
    rule_runner.write_files({"flows/BUILD": "agent_flow(name='agent')", **files})
    target = rule_runner.get_target(Address("flows", target_name="agent"))
    request = DependenciesRequest(target[AgentFlowDependenciesField])
    return {address.spec for address in rule_runner.request(Addresses, [request])}


def node(body: str) -> str:
    return "nodes:\n  one:\n" + "".join(f"    {line}\n" for line in dedent(body).splitlines())


def test_every_agent_has_the_core_of_the_runtime(rule_runner: RuleRunner) -> None:
    found = dependencies(rule_runner, {"flows/flow.yaml": node("description: nothing")})
    assert "src/irc_runtime/agent.py" in found
    assert "src/irc_runtime/serving.py" in found
    assert not {spec for spec in found if spec.startswith("flows")}


@pytest.mark.parametrize(
    "body, modules",
    [
        ("transform: {spec: {op: hopsworks.read_features}}", {"features"}),
        ("transform: {spec: {op: hopsworks.get_model}}", {"registry"}),
        ("transform: {spec: {op: http.post}}", {"http"}),
        ("prompt: {template: Hello}", {"models", "prompt"}),
        ("prompt: {model: {provider: openai}}", {"models", "openai_chat", "prompt"}),
        ("prompt: {tools: [{name: one}]}", {"models", "prompt", "tools"}),
        ("state: {scope: session, backend: redis}", {"state/redis"}),
        ("transform: {spec: {op: io.format_response}}", set()),
    ],
)
def test_modules_with_requirements_come_by_use(
    rule_runner: RuleRunner, body: str, modules: set[str]
) -> None:
    found = dependencies(rule_runner, {"flows/flow.yaml": node(body)})
    by_use = {
        f"src/irc_runtime/{name}.py"
        for name in (
            *("features", "http", "models", "openai_chat", "prompt", "registry"),
            *("state/redis", "tools"),
        )
    }
    assert found & by_use == {f"src/irc_runtime/{name}.py" for name in modules}


def test_files_and_functions_are_found(rule_runner: RuleRunner) -> None:
    flow = (
        node(
            """\
        transform: {mode: code, spec: {file: code/rank.py}}
        prompt:
          template: {file: prompts/ask.j2}
          tools: [{description: {file: prompts/tool.md}}]
        """
        )
        + "  two:\n    transform: {mode: code, spec: {function: 'shared.text:clean'}}\n"
    )
    found = dependencies(
        rule_runner,
        {
            "flows/BUILD": "agent_flow(name='agent')\nresources(name='prompts', sources=['prompts/*'])",
            "flows/flow.yaml": flow,
            "flows/prompts/ask.j2": "",
            "flows/prompts/tool.md": "",
            "flows/code/BUILD": "python_sources()",
            "flows/code/rank.py": "",
            "src/shared/BUILD": "python_sources()",
            "src/shared/text.py": "",
        },
    )
    assert {
        "flows/code/rank.py",
        "flows/prompts/ask.j2:../prompts",
        "flows/prompts/tool.md:../prompts",
        "src/shared/text.py",
    } <= found


def test_imports_of_code_in_the_flow_are_found(rule_runner: RuleRunner) -> None:
    flow = node(
        """\
        transform:
          mode: code
          spec: |
            import json
            import pex
            import elsewhere  # pants: no-infer-dep

            def transform(inputs, context, state):
                match inputs:
                    case _:
                        from shared import text
        """
    )
    found = dependencies(
        rule_runner,
        {
            "flows/flow.yaml": flow,
            "src/shared/BUILD": "python_sources()",
            "src/shared/text.py": "",
        },
    )
    assert {"//:pex", "src/shared/text.py"} <= found


def test_unowned_imports_are_named(rule_runner: RuleRunner) -> None:
    flow = node('transform: {mode: code, spec: "import nowhere\\nimport neither.here"}')
    with pytest.raises(ExecutionError) as error:
        dependencies(rule_runner, {"flows/flow.yaml": flow})
    assert str(cause_of(error.value)) == dedent(
        """\
        The agent of flows:agent will import modules that no target of the resolve `python-default` provides:

          * neither.here
          * nowhere

        Add a target for each, or its requirement to the resolve. For an import of code in the flow that is not meant to be found, add `# pants: no-infer-dep` to its line."""
    )


def test_unowned_files_are_named(rule_runner: RuleRunner) -> None:
    flow = node("prompt: {template: {file: unowned/ask.j2}}")
    with pytest.raises(ExecutionError) as error:
        dependencies(rule_runner, {"flows/flow.yaml": flow, "flows/unowned/ask.j2": ""})
    assert str(cause_of(error.value)) == dedent(
        """\
        The agent of flows:agent is made of files that no target owns, so that Pants would not see it change with them:

          * flows/unowned/ask.j2

        Add a target for them, such as `resources(name="prompts", sources=["unowned/ask.j2"])` in flows/BUILD."""
    )


def test_unowned_imports_are_let_pass_where_pants_is_told_so(rule_runner: RuleRunner) -> None:
    flow = node("transform: {mode: code, spec: 'import nowhere_else'}")
    set_options(rule_runner, {"python-infer-unowned-dependency-behavior": "ignore"})
    assert dependencies(rule_runner, {"flows/flow.yaml": flow})
    set_options(rule_runner)


@pytest.mark.parametrize(
    "flow",
    ["", "a: [", "- 1", "nodes: 3", "nodes: {a: 1}", "\x00", "{" * 100_000, "nodes: &x {y: *x}"],
    ids=["empty", "unclosed", "list", "scalar", "no node", "control", "deep", "cyclic"],
)
def test_a_broken_flow_is_left_to_the_compiler(rule_runner: RuleRunner, flow: str) -> None:
    dependencies(rule_runner, {"flows/flow.yaml": flow})


def test_a_file_that_is_missing_is_left_to_the_compiler(rule_runner: RuleRunner) -> None:
    flow = node("transform: {mode: code, spec: {file: missing.py}}")
    assert not {s for s in dependencies(rule_runner, {"flows/flow.yaml": flow}) if "missing" in s}
