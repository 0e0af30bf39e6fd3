"""What `publish` runs, and what it leaves out."""

from __future__ import annotations

import pytest
from pants.core.goals.package import BuiltPackage
from pants.core.goals.publish import PublishPackages, PublishProcesses
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.goals.publish import PublishAgentFlowFieldSet, PublishAgentFlowRequest
from irc_pants.testutil.rule_runner import FLOW, make_rule_runner, set_options


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([QueryRule(PublishProcesses, [PublishAgentFlowRequest])])
    rule_runner.write_files(
        {
            "flows/BUILD": (
                "python_sources()\n"
                "agent_flow(name='agent', image_repositories=['one', 'two'])\n"
                "agent_flow(name='tagged', source='tagged.flow.yaml', image_repositories=['one'],"
                " image_tags=['v1', '{git_sha}'])\n"
                "agent_flow(name='nowhere', source='nowhere.flow.yaml')\n"
                "agent_flow(name='skipped', source='skipped.flow.yaml', image_repositories=['one'],"
                " skip_publish=True)\n"
                "agent_flow(name='function', source='f.flow.yaml', image_repositories=['one'])\n"
            ),
            **{f"flows/{name}flow.yaml": FLOW for name in ("", "nowhere.", "skipped.", "tagged.")},
            "flows/f.flow.yaml": f"{FLOW}deployment: {{target: lambda}}\n",
            "flows/greet.py": "",
        }
    )
    return rule_runner


def published(rule_runner: RuleRunner, name: str) -> PublishPackages:
    target = rule_runner.get_target(Address("flows", target_name=name))
    field_set = PublishAgentFlowFieldSet.create(target)
    request = PublishAgentFlowRequest(field_set, (BuiltPackage(EMPTY_DIGEST, ()),))
    (packages,) = rule_runner.request(PublishProcesses, [request])
    assert packages.names == (f"flows:{name}",)
    return packages


def command(rule_runner: RuleRunner, name: str) -> list[str]:
    process = published(rule_runner, name).process
    assert process is not None
    return list(process.process.argv)[1:]


def test_image_goes_to_each_repository_under_the_tags_of_the_options(
    rule_runner: RuleRunner,
) -> None:
    written = f"{rule_runner.build_root}/dist/flows/agent/published.json"
    assert command(rule_runner, "agent") == [
        "publish",
        "flows/agent",
        "--repository=one",
        "--repository=two",
        "--tag={image_digest}",
        f"--digest-file={written}",
    ]


def test_options_stand_before_repositories_and_in_place_of_tags(rule_runner: RuleRunner) -> None:
    prefix = {"irc-image-repository-prefix": "registry.example.com/agents/"}
    set_options(rule_runner, {**prefix, "irc-image-tags": "['main']"})
    assert command(rule_runner, "agent")[2:5] == [
        "--repository=registry.example.com/agents/one",
        "--repository=registry.example.com/agents/two",
        "--tag=main",
    ]
    assert command(rule_runner, "tagged")[3:5] == ["--tag=v1", "--tag={git_sha}"]
    set_options(rule_runner)


def test_images_are_signed_where_the_option_says_so(rule_runner: RuleRunner) -> None:
    key = {"irc-cosign-args": "['--key=awskms:///alias/agents']"}
    set_options(rule_runner, key)
    assert not any("cosign" in part for part in command(rule_runner, "tagged"))
    set_options(rule_runner, {**key, "irc-sign": "true"})
    arguments = command(rule_runner, "tagged")
    assert arguments[-3:-1] == ["--sign", "--cosign-arg=--key=awskms:///alias/agents"]
    set_options(rule_runner)


def test_variables_are_handed_on_by_name(
    rule_runner: RuleRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_options(rule_runner, {"irc-publish-env-vars": "['HOME', 'REGISTRY_TOKEN=abc']"})
    process = published(rule_runner, "agent").process
    assert process is not None
    assert process.process.env["REGISTRY_TOKEN"] == "abc"
    set_options(rule_runner)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "(no `image_repositories` on flows:nowhere)"),
        ("skipped", "(by `skip_publish` on flows:skipped)"),
        ("function", "(a Lambda function is no image)"),
    ],
)
def test_what_is_not_published_says_why(rule_runner: RuleRunner, name: str, reason: str) -> None:
    packages = published(rule_runner, name)
    assert (packages.process, packages.description) == (None, reason)


def test_what_is_written_of_a_target_names_it(rule_runner: RuleRunner) -> None:
    target = rule_runner.get_target(Address("flows", target_name="agent"))
    written = PublishAgentFlowFieldSet.create(target).get_output_data()
    assert {name: str(value) for name, value in written.items()} == {
        "publisher": "irc",
        "target": "flows:agent",
    }


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_is_used_however_its_variable_is_written(
    rule_runner: RuleRunner, name: str
) -> None:
    set_options(rule_runner, environment={name: "http://proxy.example.com"})
    process = published(rule_runner, "agent").process
    assert process is not None
    assert process.process.env[name] == "http://proxy.example.com"
    set_options(rule_runner)
