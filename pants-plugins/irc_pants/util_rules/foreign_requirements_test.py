"""Requirements for a platform that this machine is not, by the real pex and real wheels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pants.backend.python.util_rules.pex import Pex
from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent, Snapshot
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from irc_pants.testutil.rule_runner import make_rule_runner
from irc_pants.util_rules.agent_code import AgentRequirements, AgentRequirementsRequest
from irc_pants.util_rules.base_image import BaseImage
from irc_pants.util_rules.foreign_requirements import (
    ForeignRequirements,
    ForeignRequirementsRequest,
)

AGENT = Address("flows", target_name="agent")


def locked(*names: str) -> str:
    """Entries of this repository's lock, in the order of the names."""
    lock = Path("3rdparty/python/default.lock").read_text()
    items = {item.partition("==")[0]: item for item in re.split(r"(?m)^(?=[a-z])", lock)}
    return "".join(items[name] for name in names)


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(AgentRequirements, [AgentRequirementsRequest]),
            QueryRule(ForeignRequirements, [ForeignRequirementsRequest]),
            QueryRule(Snapshot, [Digest]),
        ]
    )
    rule_runner.write_files(
        {"flows/BUILD": "agent_flow(name='agent')\n", "flows/flow.yaml": "version: '1.0'\n"}
    )
    return rule_runner


def resolve(rule_runner: RuleRunner, *names: str) -> list[str]:
    """Wheels of a PEX for linux/arm64, of a lock with these requirements; the stand-in asks for the
    first, and then for all."""
    native = rule_runner.request(AgentRequirements, [AgentRequirementsRequest(AGENT)]).pex
    rule_runner.write_files({"arm64.lock": locked(*names)})
    base = rule_runner.request(Digest, [CreateDigest([FileContent("base.json", b"{}")])])
    request = ForeignRequirementsRequest(
        AGENT, "linux/arm64", BaseImage(base), native, "python-default", "arm64.lock"
    )
    pex: Pex = rule_runner.request(ForeignRequirements, [request]).pex
    files = rule_runner.request(Snapshot, [pex.digest]).files
    assert f"{pex.name}/PEX-INFO" in files
    archives = (re.fullmatch(f"{pex.name}/[.]deps/([^/]+[.]whl)", path) for path in files)
    return [match[1] for match in archives if match]


def test_wheels_are_those_of_the_platform(rule_runner: RuleRunner) -> None:
    (wheel,) = resolve(rule_runner, "markupsafe")
    assert re.fullmatch(r"markupsafe-[0-9.]+-cp311-cp311-manylinux.*_aarch64.*[.]whl", wheel)


def test_what_distributions_of_the_platform_require_is_added(rule_runner: RuleRunner) -> None:
    wheels = resolve(rule_runner, "markupsafe", "orjson", "click")
    assert [wheel.partition("-")[0] for wheel in sorted(wheels)] == [
        "click",
        "markupsafe",
        "orjson",
    ]


def test_a_requirement_without_a_wheel_is_named(rule_runner: RuleRunner) -> None:
    # Its newest releases have one; kserve asks for an older one.
    with pytest.raises(ExecutionError) as error:
        resolve(rule_runner, "psutil")
    assert (
        "flows:agent is for linux/arm64, by its field `platforms`, and there is no wheel for it of "
        "psutil as arm64.lock has it. Lock a version that has one; or build one on linux/arm64, and "
        "give its hash in the lock and on a page of `[python-repos].find_links`; or take linux/arm64 out "
        "of `platforms`."
    ) in " ".join(str(error.value).split())


def test_what_pex_says_otherwise_is_told_as_it_is(rule_runner: RuleRunner) -> None:
    other = locked("markupsafe").replace("sha256:", "sha256:0")
    other = re.sub(r"(sha256:\w{64})\w*", r"\1", other)
    with pytest.raises(ExecutionError) as error:
        native = rule_runner.request(AgentRequirements, [AgentRequirementsRequest(AGENT)]).pex
        rule_runner.write_files({"arm64.lock": other})
        base = rule_runner.request(Digest, [CreateDigest([FileContent("base.json", b"{}")])])
        request = ForeignRequirementsRequest(
            AGENT, "linux/arm64", BaseImage(base), native, "python-default", "arm64.lock"
        )
        rule_runner.request(ForeignRequirements, [request])
    said = " ".join(str(error.value).split())
    assert "The requirements of flows:agent could not be resolved for linux/arm64" in said
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in said
