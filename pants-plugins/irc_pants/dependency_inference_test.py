"""What an agent flow depends on."""

from __future__ import annotations

import json
from pathlib import Path
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


def dependencies(rule_runner: RuleRunner, files: dict[str, str], folder: str = "flows") -> set[str]:
    """The addresses that a folder's `agent` depends on, by their specs."""
    rule_runner.write_files({f"{folder}/BUILD": "agent_flow(name='agent')", **files})
    target = rule_runner.get_target(Address(folder, target_name="agent"))
    request = DependenciesRequest(target[AgentFlowDependenciesField])
    return {address.spec for address in rule_runner.request(Addresses, [request])}


def node(body: str) -> str:
    return "nodes:\n  one:\n" + "".join(f"    {line}\n" for line in dedent(body).splitlines())


def test_every_agent_has_the_core_of_the_runtime(rule_runner: RuleRunner) -> None:
    found = dependencies(rule_runner, {"flows/flow.yaml": node("description: nothing")})
    assert "src/irc_runtime/agent.py" in found
    assert "src/irc_runtime/serving/__init__.py" in found
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


FILES_THAT_REFER = {
    "src/letters/BUILD": "agent_flow(name='agent')\nresources(name='files', sources=['**/*.j2', '*.json'])",
    "src/letters/flow.yaml": """\
nodes:
  one:
    inputs: [{name: order, schema: {$ref: "shop.schemas:order.json"}}]
    outputs: [{name: answer, schema: {$ref: answer.json}}]
    prompt: {template: {file: prompts/ask.j2}}
""",
    "src/letters/answer.json": '{"$ref": "answer.json#/$defs/text", "$defs": {"text": {}}}',
    "src/letters/prompts/ask.j2": '{% extends "prompts/base.j2" %}',
    "src/letters/prompts/base.j2": '{% include "prompts/rules.j2" %}{% include "gone.j2" ignore missing %}',
    "src/letters/prompts/rules.j2": "",
    "src/letters/prompts/unused.j2": "",
    "src/shop/schemas/BUILD": "resources(name='schemas', sources=['*.json', '*.yaml'])",
    "src/shop/schemas/order.json": '{"items": {"$ref": "line.yaml#/line"}}',
    "src/shop/schemas/line.yaml": "line: {$ref: money.json}",
    "src/shop/schemas/money.json": '{"type": "number"}',
}


def test_files_are_found_that_files_refer_to(rule_runner: RuleRunner) -> None:
    found = dependencies(rule_runner, FILES_THAT_REFER, "src/letters")
    assert {spec for spec in found if not spec.startswith("src/irc_runtime")} == {
        "//default.lock:_python-default_lockfile",
        "src/letters/answer.json:files",
        "src/letters/prompts/ask.j2:../files",
        "src/letters/prompts/base.j2:../files",
        "src/letters/prompts/rules.j2:../files",
        "src/shop/schemas/line.yaml",
        "src/shop/schemas/money.json",
        "src/shop/schemas/order.json",
    }


def test_a_file_that_starts_to_refer_to_another_is_read_again(rule_runner: RuleRunner) -> None:
    dependencies(rule_runner, FILES_THAT_REFER, "src/letters")
    changed = {
        **FILES_THAT_REFER,
        "src/letters/prompts/rules.j2": '{% include "prompts/unused.j2" %}',
    }
    found = dependencies(rule_runner, changed, "src/letters")
    assert "src/letters/prompts/unused.j2:../files" in found


def test_relative_imports_start_at_the_flow(rule_runner: RuleRunner) -> None:
    flow = node(
        """\
        transform:
          mode: code
          spec: |
            from . import beside
            from ..text import clean

            def transform(inputs, context, state):
                from .inner.rank import rank
        """
    )
    found = dependencies(
        rule_runner,
        {
            "src/shop/flows/BUILD": "agent_flow(name='agent')\npython_sources()",
            "src/shop/flows/flow.yaml": flow,
            "src/shop/flows/beside.py": "",
            "src/shop/flows/inner/BUILD": "python_sources()",
            "src/shop/flows/inner/rank.py": "",
            "src/shop/BUILD": "python_sources()",
            "src/shop/text.py": "",
        },
        "src/shop/flows",
    )
    assert {
        "src/shop/flows/beside.py",
        "src/shop/flows/inner/rank.py",
        "src/shop/text.py",
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


def test_modules_and_requirements_are_of_the_flows_own_resolve() -> None:
    """A sub-package and a requirement that one resolve has, and the runtime, which both have."""
    rule_runner = make_rule_runner([QueryRule(Addresses, [DependenciesRequest])])
    both = "python_sources()\npython_sources(name='theirs', resolve='other')"
    rule_runner.write_files(
        {
            **{f"src/irc_runtime{part}/BUILD": both for part in ("", "/serving", "/state")},
            "BUILD": (
                "python_requirement(name='pex', requirements=['pex'])\n"
                "python_requirement(name='theirs', requirements=['pex'], resolve='other')\n"
            ),
            "other.lock": Path("3rdparty/python/pex.lock").read_text(),
            "src/shop/prices/BUILD": "python_sources(resolve='other')",
            "src/shop/prices/tax.py": "",
        }
    )
    resolves = ", ".join(f"'{name}': '{name}.lock'" for name in ("pytest", "other"))
    set_options(
        rule_runner, {"python-resolves": f"{{'python-default': 'default.lock', {resolves}}}"}
    )
    flow = node('transform: {mode: code, spec: "import pex\\nfrom shop.prices import tax"}')
    files = {"flows/flow.yaml": flow, "flows/BUILD": "agent_flow(name='agent', resolve='other')"}
    found = dependencies(rule_runner, files)
    assert {
        "//:theirs",
        "//other.lock:_other_lockfile",
        "src/irc_runtime/agent.py:theirs",
        "src/shop/prices/tax.py",
    } <= found
    assert not {spec for spec in found if "default" in spec or spec == "//:pex"}
    with pytest.raises(ExecutionError) as error:
        dependencies(rule_runner, {**files, "flows/BUILD": "agent_flow(name='agent')"})
    assert "no target of the resolve `python-default` provides:\n\n  * shop.prices" in str(
        cause_of(error.value)
    )


def test_unowned_imports_are_named(rule_runner: RuleRunner) -> None:
    flow = node('transform: {mode: code, spec: "import nowhere\\nimport neither.here"}')
    with pytest.raises(ExecutionError) as error:
        dependencies(rule_runner, {"flows/flow.yaml": flow})
    assert str(cause_of(error.value)) == dedent(
        """\
        The agent of flows:agent will import modules that no target of the resolve `python-default` provides:

          * neither.here
          * nowhere

        Add a target for each; or, to the requirements of the resolve, the line `neither` or `nowhere`, or whatever the distribution with it is called, and make default.lock anew. For an import of code in the flow that is not meant to be found, add `# pants: no-infer-dep` to its line."""
    )


def test_unowned_files_are_named_with_what_to_add(rule_runner: RuleRunner) -> None:
    flow = node(
        """\
        inputs: [{name: order, schema: {$ref: ../shapes/order.json}}]
        prompt: {template: '{% include "unowned/ask.j2" %}', system: {file: unowned/rules.md}}
        """
    )
    files = {
        "flows/flow.yaml": flow,
        "flows/unowned/ask.j2": "",
        "flows/unowned/rules.md": "",
        "shapes/order.json": '{"$ref": "line.json"}',
        "shapes/line.json": "{}",
    }
    with pytest.raises(ExecutionError) as error:
        dependencies(rule_runner, files)
    assert str(cause_of(error.value)) == dedent(
        """\
        The agent of flows:agent is made of files that no target owns, so that Pants would not see it change with them:

          * flows/unowned/ask.j2
          * flows/unowned/rules.md
          * shapes/line.json
          * shapes/order.json

        Add a target for them:

          * `resources(name="flow_files", sources=["unowned/ask.j2", "unowned/rules.md"])` in flows/BUILD
          * `resources(name="flow_files", sources=["line.json", "order.json"])` in shapes/BUILD"""
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


@pytest.mark.parametrize(
    "spec",
    ["import a\ud800", {"file": "a\ud800.py"}, {"file": "a\0.py"}, {"function": "a\ud800:b"}],
)
def test_texts_that_no_file_holds_are_left_to_the_compiler(
    rule_runner: RuleRunner, spec: object
) -> None:
    nodes = {
        "one": {
            "transform": {"mode": "code", "spec": spec},
            "inputs": [{"schema": {"$ref": "a\ud800.json"}}],
            "prompt": {"template": "{% include 'a\ud800' %}", "system": {"file": ""}},
        }
    }
    build = "agent_flow(name='agent', source='flow.json')"
    flow = json.dumps({"nodes": nodes})
    assert dependencies(rule_runner, {"odd/BUILD": build, "odd/flow.json": flow}, "odd")


def test_a_file_that_is_missing_is_left_to_the_compiler(rule_runner: RuleRunner) -> None:
    flow = node("transform: {mode: code, spec: {file: missing.py}}")
    assert not {s for s in dependencies(rule_runner, {"flows/flow.yaml": flow}) if "missing" in s}
