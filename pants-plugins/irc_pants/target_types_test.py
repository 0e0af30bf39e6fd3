"""The fields of the target `agent_flow`."""

from __future__ import annotations

from typing import Any

import pytest
from pants.engine.addresses import Address
from pants.engine.target import (
    InvalidFieldChoiceException,
    InvalidFieldException,
    InvalidFieldTypeException,
)

from irc_pants.target_types import (
    AgentFlowLayoutField,
    AgentFlowOverlaysField,
    AgentFlowPlatformsField,
    AgentFlowSourceField,
)

ADDRESS = Address("flows/support", target_name="agent")


def test_a_flow_is_flow_yaml_where_nothing_else_is_said() -> None:
    assert AgentFlowSourceField(None, ADDRESS).value == "flow.yaml"


def test_the_name_of_a_flow_is_checked() -> None:
    field = AgentFlowSourceField("support.yaml", ADDRESS)
    with pytest.raises(InvalidFieldException) as error:
        field.validate_resolved_files(["flows/support/support.yaml"])
    assert str(error.value) == (
        "The field `source` of the target flows/support:agent has the file"
        " `flows/support/support.yaml`. The name of a flow is `flow.yaml`, `flow.json`, `<name>.flow.yaml` or `<name>.flow.json`, where"
        " `<name>` starts with a letter."
    )


def test_the_layout_is_packed_zipapp_or_none() -> None:
    assert AgentFlowLayoutField(None, ADDRESS).value == "packed"
    assert AgentFlowLayoutField("none", ADDRESS).value == "none"
    with pytest.raises(InvalidFieldChoiceException):
        AgentFlowLayoutField("loose", ADDRESS)


def test_overlays_are_values_by_key_by_name() -> None:
    assert AgentFlowOverlaysField(None, ADDRESS).value is None
    value = {"staging": {"min_replicas": 0, "env": {"LEVEL": "debug"}}}
    assert AgentFlowOverlaysField(value, ADDRESS).value == (
        '{"staging": {"env": {"LEVEL": "debug"}, "min_replicas": 0}}'
    )


def test_platforms_are_of_linux_and_each_is_named_once() -> None:
    value: tuple[str, ...] = ("linux/amd64", "linux/arm64/v8")
    assert AgentFlowPlatformsField(value, ADDRESS).value == value
    problems = {
        ("windows/amd64",): "has 'windows/amd64', which is none of Linux: `linux/<architecture>`",
        ("amd64",): "has 'amd64', which is none of Linux: `linux/<architecture>`",
        ("linux/arm64", "linux/arm64/v8"): "has 'linux/arm64' more than once",
    }
    for value, problem in problems.items():
        with pytest.raises(InvalidFieldException) as error:
            AgentFlowPlatformsField(value, ADDRESS)
        assert str(error.value) == (
            f"The field `platforms` of the target flows/support:agent {problem}. An example is"
            ' `platforms=["linux/amd64", "linux/arm64"]`.'
        )


@pytest.mark.parametrize(
    "value", ["staging", {"staging": 1}, {"../up": {}}, {"": {}}, {"staging": {"a": {1j}}}]
)
def test_other_overlays_are_refused(value: Any) -> None:
    with pytest.raises(InvalidFieldTypeException, match="`overlays`|'overlays'"):
        AgentFlowOverlaysField(value, ADDRESS)
