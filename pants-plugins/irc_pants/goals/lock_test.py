"""`generate-lockfiles`: which locks base images have, and how they are written."""

from __future__ import annotations

import json

import pytest
from pants.core.goals.generate_lockfiles import GenerateLockfilesGoal
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import INHERITED as INHERITED_ENV
from irc_pants.testutil.rule_runner import OPTIONS, make_rule_runner


@pytest.fixture
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner([])
    rule_runner.write_files(
        {
            "images/BUILD": (
                "oci_base_image(name='base', lock='debian.lock.json', packages=['libpq5'],"
                " platforms=['linux/arm64', 'linux/amd64'])\n"
                "oci_base_image(name='same', lock='debian.lock.json', packages=['libgomp1'])\n"
                "oci_base_image(name='other', lock='other/plain.lock.json')\n"
                "oci_base_image(name='layout', layout='python')\n"
            )
        }
    )
    return rule_runner


def lock(rule_runner: RuleRunner, resolve: str) -> int:
    arguments = [f"--{name}={value}" for name, value in OPTIONS.items()]
    result = rule_runner.run_goal_rule(
        GenerateLockfilesGoal,
        global_args=arguments,
        args=[f"--resolve={resolve}"],
        env_inherit=INHERITED_ENV,
    )
    return result.exit_code


def test_a_lock_is_written_in_its_place_with_packages_and_platforms_of_all_that_have_it(
    rule_runner: RuleRunner,
) -> None:
    assert lock(rule_runner, "images/debian.lock.json") == 0
    written = rule_runner.build_root, "images/debian.lock.json"
    with open("/".join(written)) as file:
        argv = json.load(file)["argv"]
    assert argv == [
        "--name=debian.lock.json",
        "--package=libgomp1",
        "--package=libpq5",
        "--platform=linux/amd64",
        "--platform=linux/arm64",
        "--output-dir",
    ]


def test_locks_are_written_one_by_one(rule_runner: RuleRunner) -> None:
    assert lock(rule_runner, "images/other/plain.lock.json") == 0
    with open(f"{rule_runner.build_root}/images/other/plain.lock.json") as file:
        assert json.load(file)["argv"] == ["--name=plain.lock.json", "--output-dir"]


def test_an_unknown_lock_names_those_that_there_are(rule_runner: RuleRunner) -> None:
    with pytest.raises(Exception, match="images/debian.lock.json") as error:
        lock(rule_runner, "images/none.lock.json")
    assert "Unrecognized resolve name" in str(error.value)
