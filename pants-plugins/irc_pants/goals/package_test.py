"""What `package` leaves behind, and what it is made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pants.core.goals.package import BuiltPackage
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.platform import Platform
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.goals.package import AgentFlowPackageFieldSet
from irc_pants.platforms import is_native
from irc_pants.testutil.compiler import STAND_IN
from irc_pants.testutil.rule_runner import FLOW, make_rule_runner, set_options


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(BuiltPackage, [AgentFlowPackageFieldSet])])
    rule_runner.write_files(
        {
            "flows/BUILD": (
                "python_sources()\n"
                "agent_flow(name='agent')\n"
                "agent_flow(name='pushed', source='pushed.flow.yaml', image_repositories=['greeter', 'copy'])\n"
                "agent_flow(name='zip', source='zip.flow.yaml', layout='zipapp')\n"
                "agent_flow(name='bare', source='bare.flow.yaml', layout='none')\n"
                "agent_flow(name='cluster', source='cluster.flow.yaml', helm=True,"
                " overlays={'staging': {'min_replicas': 0}})\n"
                "agent_flow(name='function', source='function.flow.yaml')\n"
                "agent_flow(name='several', source='several.flow.yaml',"
                " platforms=['linux/amd64', 'linux/arm64'])\n"
                "agent_flow(name='odd', source='odd.flow.yaml', platforms=['linux/arm64'])\n"
            ),
            **{
                f"flows/{name}flow.yaml": FLOW
                for name in ("", "bare.", "cluster.", "pushed.", "several.", "zip.")
            },
            **{
                f"flows/{name}.flow.yaml": f"{FLOW}deployment: {{target: lambda}}\n"
                for name in ("function", "odd")
            },
            "flows/greet.py": "",
        }
    )
    return rule_runner


def package(rule_runner: RuleRunner, name: str) -> tuple[BuiltPackage, dict[str, bytes]]:
    target = rule_runner.get_target(Address("flows", target_name=name))
    built = rule_runner.request(BuiltPackage, [AgentFlowPackageFieldSet.create(target)])
    contents = rule_runner.request(DigestContents, [built.digest])
    prefix = f"flows/{name}/"
    assert all(file.path.startswith(prefix) for file in contents)
    return built, {file.path[len(prefix) :]: file.content for file in contents}


def report(files: dict[str, bytes]) -> Any:
    """How the stand-in for `irc package` was run."""
    return json.loads(files["image.json"])


def test_parts_are_put_together(rule_runner: RuleRunner) -> None:
    built, files = package(rule_runner, "agent")
    (artifact,) = built.artifacts
    assert artifact.relpath == "flows/agent"
    assert artifact.extra_log_lines == ("Image: here@sha256:0",)
    blobs = {path for path in files if path.startswith("image/")}
    assert blobs == {f"image/blobs/sha256/{name}" for name in ("base", "deps", "code", "flow")}


def test_the_pex_is_that_of_the_requirements_with_its_hashes_rewritten(
    rule_runner: RuleRunner,
) -> None:
    _, files = package(rule_runner, "agent")
    pex = {path[len("agent.pex/") :] for path in files if path.startswith("agent.pex/")}
    assert {"PEX-INFO", "__main__.py", "__pex__/__init__.py", ".bootstrap"} <= pex
    assert any(path.startswith(".deps/pex-") for path in pex)
    for path in ("PEX-INFO", "__main__.py", "__pex__/__init__.py"):
        assert files[f"agent.pex/{path}"].endswith(b"# rewritten")


def test_it_is_made_of_what_the_flow_uses(rule_runner: RuleRunner) -> None:
    _, files = package(rule_runner, "agent")
    inputs = report(files)["inputs"]
    assert inputs["generated"] == [
        f"flows/{name}" for name in ("agent.json", "agent.map.json", "agent.py", "test_agent.py")
    ]
    assert {"flows/flow.yaml", "flows/greet.py", "irc_runtime/agent.py"} <= set(inputs["sources"])
    assert "irc_runtime/http.py" not in inputs["sources"]
    assert "flows/agent.py" not in inputs["sources"]
    assert inputs["deps-pex"] == ["PEX-INFO", "__main__.py", "__pex__/__init__.py"]
    assert all(report(files)["present"].values())


def test_the_repository_stands_behind_the_prefix(rule_runner: RuleRunner) -> None:
    _, files = package(rule_runner, "pushed")
    assert report(files)["options"]["repository"] == "greeter"
    set_options(rule_runner, {"irc-image-repository-prefix": "registry.example.com/agents/"})
    _, files = package(rule_runner, "pushed")
    assert report(files)["options"]["repository"] == "registry.example.com/agents/greeter"
    set_options(rule_runner)


def test_manifests_are_made_of_the_deployment_and_of_overlays(rule_runner: RuleRunner) -> None:
    _, files = package(rule_runner, "agent")
    deployment = {"target": "kserve", "kserve": {"service_name": "greeter"}}
    assert report(files)["manifest"] == {"agent": {"deployment": deployment}}
    assert "--helm" not in report(files)["argv"]
    _, files = package(rule_runner, "cluster")
    assert report(files)["manifest"] == {
        "agent": {"deployment": deployment},
        "overlays": {"staging": {"min_replicas": 0}},
    }
    assert "--helm" in report(files)["argv"]


def test_the_bill_of_materials_is_made_once_for_the_layers_that_agents_share(
    rule_runner: RuleRunner,
) -> None:
    _, files = package(rule_runner, "agent")
    made = report(files)["libraries"]
    assert made["blobs"] == {"base": ["base"], "deps": ["deps"]}
    assert not {"flows", "generated", "sources"} & set(made["beside"])
    # Each run has a number of its own.
    _, others = package(rule_runner, "cluster")
    assert report(others)["libraries"] == made
    rule_runner.write_files({"flows/flow.yaml": f"{FLOW}# edited\n"})
    _, edited = package(rule_runner, "agent")
    rule_runner.write_files({"flows/flow.yaml": FLOW})
    assert report(edited)["libraries"] == made


def test_the_layer_of_shared_code_is_made_without_the_files_of_the_flow(
    rule_runner: RuleRunner,
) -> None:
    _, files = package(rule_runner, "agent")
    sources = report(files)["code"]["sources"]
    assert "irc_runtime/agent.py" in sources
    assert not any(path.startswith("flows/") for path in sources)
    assert {"flows/flow.yaml", "flows/greet.py"} <= set(report(files)["inputs"]["sources"])


def test_what_does_not_reach_a_flow_leaves_its_package_as_it_is(rule_runner: RuleRunner) -> None:
    other = {"desk/BUILD": "python_sources()\nagent_flow(name='agent')\n", "desk/greet.py": ""}
    rule_runner.write_files({**other, "desk/flow.yaml": FLOW})
    before, _ = package(rule_runner, "agent")
    # Each run of the stand-in has a number of its own: the same digest means that it did not run.
    rule_runner.write_files(
        {
            **other,
            "desk/flow.yaml": f"{FLOW}# edited\n",
            "desk/greet.py": "# edited\n",
            "src/irc/cli/publish.py": "# edited\n",
            "src/irc_runtime/http.py": "import pex\n# edited\n",
        }
    )
    after, _ = package(rule_runner, "agent")
    assert after.digest == before.digest
    rule_runner.write_files({"flows/greet.py": "# edited\n"})
    edited, _ = package(rule_runner, "agent")
    rule_runner.write_files({"flows/greet.py": "", **STAND_IN})
    assert edited.digest != before.digest


def test_a_zipapp_is_one_file(rule_runner: RuleRunner) -> None:
    _, files = package(rule_runner, "zip")
    assert files["agent.pex"].startswith(b"#!/usr/bin/env python3.11")


def test_an_image_comes_without_a_pex_where_none_is_asked_for(rule_runner: RuleRunner) -> None:
    _, files = package(rule_runner, "bare")
    assert {"image.json", "inferenceservice.yaml", "image/blobs/sha256/deps"} <= files.keys()
    assert not any(path.startswith("agent.pex") for path in files)


def test_a_function_is_made_of_code_and_requirements_and_of_no_image(
    rule_runner: RuleRunner,
) -> None:
    built, files = package(rule_runner, "function")
    (artifact,) = built.artifacts
    assert artifact.extra_log_lines == ("AWS Lambda: lambda.zip, and its template.yaml",)
    assert set(files) == {"lambda.zip"}
    made = json.loads(files["lambda.zip"])
    assert set(made["options"]) == {"agent", "generated", "sources", "deps-pex"}
    assert "irc_runtime/aws_lambda.py" in made["inputs"]["sources"]
    assert "irc_runtime/serving/__init__.py" not in made["inputs"]["sources"]
    assert any(path.startswith(".deps/pex-") for path in made["inputs"]["deps-pex"])


def test_each_platform_has_base_requirements_and_bill_of_its_own(rule_runner: RuleRunner) -> None:
    _, files = package(rule_runner, "several")
    argv = report(files)["argv"]
    documents = [item for item in argv if item.startswith(("--base=", "--deps=", "--libraries="))]
    assert documents == [
        f"--{option}={number}/{name}"
        for number in (0, 1)
        for option, name in (
            ("base", "base.json"), ("deps", "deps.json"), ("libraries", "libraries.cdx.json")
        )
    ]  # fmt: skip
    native, foreign = report(files)["bases"]
    assert "--platform=linux/arm64" not in native["argv"]
    assert "--platform=linux/arm64" in foreign["argv"]
    assert report(files)["options"]["deps-pex"] == "deps.pex"
    assert any(path.startswith("agent.pex/.deps/pex-") for path in files)


@pytest.mark.parametrize(
    "platform, machine, expected",
    [
        ("linux/amd64", Platform.linux_x86_64, True),
        ("linux/arm64/v8", Platform.linux_arm64, True),
        ("linux/arm64", Platform.linux_x86_64, False),
        ("linux/amd64", Platform.macos_x86_64, False),
    ],
)
def test_what_a_machine_builds_for_by_itself(
    platform: str, machine: Platform, expected: bool
) -> None:
    assert is_native(platform, machine) is expected


def test_a_function_has_no_platforms(rule_runner: RuleRunner) -> None:
    with pytest.raises(ExecutionError) as error:
        package(rule_runner, "odd")
    assert (
        "The field `platforms` of the target flows:odd is of an image, and the flow has the target "
        "`lambda`, whose archive is for the build machine's platform alone. Take the field out, or set "
        "it to `[]` where it is a default."
    ) in " ".join(str(error.value).split())
