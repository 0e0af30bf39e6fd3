"""The base image: which one is asked for, and what its layers depend on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pants.engine.fs import DigestContents
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import make_rule_runner
from irc_pants.util_rules.image_layers import BaseImage, BaseImageRequest

DIGEST = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    return make_rule_runner([QueryRule(BaseImage, [BaseImageRequest])])


def base(rule_runner: RuleRunner, reference: str | None) -> dict[str, Any]:
    """How the stand-in was run for a base image."""
    request = BaseImageRequest(
        reference, "gzip", "the field `base_image` of the target flows:agent"
    )
    image = rule_runner.request(BaseImage, [request])
    contents = rule_runner.request(DigestContents, [image.digest])
    run: dict[str, Any] = json.loads(
        next(file.content for file in contents if file.path == "base.json")
    )
    return run


def test_debian_packages_depend_on_the_machines_release(rule_runner: RuleRunner) -> None:
    run = base(rule_runner, None)
    assert run["argv"] == ["--compression=gzip", "--output-dir"]
    assert "ID=" in run["env"]["IRC_HOST_SUITE"]


@pytest.mark.parametrize(
    "reference, file",
    [
        (f"oci:images/python@{DIGEST}", "images/python/index.json"),
        (f"oci-archive:images/python.tar@{DIGEST}", "images/python.tar"),
    ],
)
def test_an_image_on_disk_is_an_input(rule_runner: RuleRunner, reference: str, file: str) -> None:
    rule_runner.write_files({file: ""})
    run = base(rule_runner, reference)
    assert run["argv"] == ["--from", reference, "--output-dir"]
    assert "images" in run["files"]


def test_an_image_on_disk_that_is_missing_names_the_field(rule_runner: RuleRunner) -> None:
    with pytest.raises(ExecutionError) as error:
        base(rule_runner, f"oci:nowhere@{DIGEST}")
    assert "the field `base_image` of the target flows:agent" in str(error.value)


def test_a_registry_may_ask_for_credentials(rule_runner: RuleRunner) -> None:
    run = base(rule_runner, f"registry.example.com/python@{DIGEST}")
    assert "HOME" in run["env"]
    assert "images" not in run["files"]
