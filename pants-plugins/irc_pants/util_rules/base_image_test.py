"""The base image: which one is asked for, and what its layers depend on."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import RuleRunner

from irc_pants.dependency_inference import AgentFlowInferenceFieldSet, InferAgentFlowDependencies
from irc_pants.target_types import AgentFlowBaseImageField
from irc_pants.testutil.rule_runner import FLOW, make_rule_runner, set_options
from irc_pants.util_rules.base_image import BaseImage, BaseImageRequest

DIGEST = "sha256:" + "0" * 64

TARGETS = f"""
oci_base_image(name="registry", image="registry.example.com/python@{DIGEST}")
oci_base_image(name="layout", layout="python", digest="{DIGEST}")
oci_base_image(name="archive", archive="python.tar")
oci_base_image(name="debian", lock="debian.lock.json", packages=["libpq5", "libgomp1"])
oci_base_image(name="nowhere", layout="none")
files(name="files", sources=["python.tar"])
"""


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(BaseImage, [BaseImageRequest]),
            QueryRule(InferredDependencies, [InferAgentFlowDependencies]),
        ]
    )
    rule_runner.write_files(
        {
            "images/BUILD": TARGETS,
            "images/python/index.json": "",
            "images/python.tar": "",
            "images/debian.lock.json": "",
        }
    )
    return rule_runner


def base(rule_runner: RuleRunner, reference: str | None) -> dict[str, Any]:
    """How the stand-in was run for a base image."""
    field = AgentFlowBaseImageField(reference, Address("flows", target_name="agent"))
    image = rule_runner.request(BaseImage, [BaseImageRequest(field, "zstd")])
    contents = rule_runner.request(DigestContents, [image.digest])
    run: dict[str, Any] = json.loads(
        next(file.content for file in contents if file.path == "base.json")
    )
    return run


def refusal(rule_runner: RuleRunner, reference: str) -> str:
    """What is said of a base image, on one line."""
    with pytest.raises(ExecutionError) as error:
        base(rule_runner, reference)
    return " ".join(str(error.value).split())


def test_debian_packages_depend_on_the_machines_release(rule_runner: RuleRunner) -> None:
    run = base(rule_runner, None)
    assert run["argv"] == ["--compression=zstd", "--output-dir"]
    assert "ID=" in run["env"]["IRC_HOST_SUITE"]


@pytest.mark.parametrize(
    "reference, argument, file",
    [
        (f"oci:images/python@{DIGEST}", f"oci:images/python@{DIGEST}", "python"),
        (
            f"oci-archive:images/python.tar@{DIGEST}",
            f"oci-archive:images/python.tar@{DIGEST}",
            None,
        ),
        ("images:layout", f"oci:images/python@{DIGEST}", "python"),
        ("//images:archive", "oci-archive:images/python.tar", None),
    ],
)
def test_an_image_on_disk_is_an_input(
    rule_runner: RuleRunner, reference: str, argument: str, file: str | None
) -> None:
    run = base(rule_runner, reference)
    assert run["argv"] == ["--from", argument, "--compression=zstd", "--output-dir"]
    assert "images" in run["files"]


def test_an_image_on_disk_that_is_missing_names_who_wants_it(rule_runner: RuleRunner) -> None:
    said = refusal(rule_runner, f"oci:nowhere@{DIGEST}")
    assert "the field `base_image` of the target flows:agent" in said
    assert "the target images:nowhere" in refusal(rule_runner, "images:nowhere")


@pytest.mark.parametrize("reference", [f"registry.example.com/python@{DIGEST}", "images:registry"])
def test_a_registrys_image_does_not_depend_on_who_fetches_it(
    rule_runner: RuleRunner, reference: str
) -> None:
    run = base(rule_runner, reference)
    assert run["argv"][1].removeprefix("docker://") == f"registry.example.com/python@{DIGEST}"
    assert not {"HOME", "HTTPS_PROXY", "IRC_HOST_SUITE"} & set(run["env"])
    assert "images" not in run["files"]
    Path(run["fetched"]).unlink(missing_ok=True)  # an earlier run of this test may have


def test_credentials_are_for_fetching_alone(rule_runner: RuleRunner) -> None:
    proxy = f"http://user:{secrets.token_hex()}@proxy.example.com"
    set_options(rule_runner, environment={"HTTPS_PROXY": proxy})
    digest = secrets.token_hex()  # of an image that no earlier run of this test has fetched
    run = base(rule_runner, f"registry.example.com/python@sha256:{digest}")
    assert proxy not in str(run)
    fetched = json.loads(Path(run["fetched"]).read_text())
    assert fetched["HTTPS_PROXY"] == proxy
    assert {"HOME", "PATH"} <= set(fetched)
    Path(run["fetched"]).unlink()  # of a folder that all builds of this machine share
    set_options(rule_runner)


def test_a_registry_that_refuses_is_told(rule_runner: RuleRunner) -> None:
    digest = secrets.token_hex()
    said = refusal(rule_runner, f"registry.example.com/refused@sha256:{digest}")
    assert f"Fetch the base image registry.example.com/refused@sha256:{digest}: fetched to" in said


def test_an_image_that_is_fetched_to_another_machine_says_what_to_do(
    rule_runner: RuleRunner,
) -> None:
    digest = secrets.token_hex()
    said = refusal(rule_runner, f"registry.example.com/elsewhere@sha256:{digest}")
    assert f"it has no blob .cache/irc/images/{digest} It was fetched where" in said
    assert "set `[GLOBAL].remote_execution_append_only_caches_base_path`" in said


def test_locked_packages_do_not_depend_on_the_machine(rule_runner: RuleRunner) -> None:
    run = base(rule_runner, "images:debian")
    assert run["argv"] == [
        "--lock=images/debian.lock.json",
        "--package=libgomp1",
        "--package=libpq5",
        "--compression=zstd",
        "--output-dir",
    ]
    assert "images" in run["files"]
    assert "IRC_HOST_SUITE" not in run["env"]


def test_an_image_without_a_digest_is_refused_with_the_command_that_finds_it(
    rule_runner: RuleRunner,
) -> None:
    said = refusal(rule_runner, "python:3.11-slim")
    assert "neither the address of an `oci_base_image` nor an image with its digest" in said
    assert "skopeo inspect --format '{{.Digest}}' docker://python:3.11-slim" in said


def test_another_target_is_refused(rule_runner: RuleRunner) -> None:
    assert "images:files is a `files`, and not an" in refusal(rule_runner, "images:files")


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            "",
            "takes one of the fields `image`, `layout`, `archive` and `lock`, and has none of them",
        ),
        ("layout='x', lock='y'", "and has `layout`, `lock`"),
        (f"lock='y', digest='{DIGEST}'", "`digest` of the target wrong:base goes with `layout` or"),
        ("layout='x', packages=['y']", "goes with `lock`, not with `layout`"),
        ("layout='../../x'", "which is not in the repository"),
        ("image='python:3.11'", "must be given by its digest"),
    ],
)
def test_fields_that_do_not_go_together(rule_runner: RuleRunner, fields: str, message: str) -> None:
    rule_runner.write_files({"wrong/BUILD": f"oci_base_image(name='base', {fields})"})
    said = refusal(rule_runner, "wrong:base")
    rule_runner.write_files({"wrong/BUILD": ""})  # Finding owners reads all targets.
    assert message in said


def test_a_flow_depends_on_its_base_image(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "flows/BUILD": "python_sources()\nagent_flow(name='agent', base_image='images:debian')",
            "flows/flow.yaml": FLOW,
            "flows/greet.py": "",
        }
    )
    target = rule_runner.get_target(Address("flows", target_name="agent"))
    request = InferAgentFlowDependencies(AgentFlowInferenceFieldSet.create(target))
    inferred = rule_runner.request(InferredDependencies, [request])
    assert Address("images", target_name="debian") in inferred.include
