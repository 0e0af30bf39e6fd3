"""How generated files are called."""

from __future__ import annotations

import pytest

from irc_pants.naming import (
    agent_path,
    agent_tests_path,
    is_flow,
    line_map_path,
    module_name,
    summary_path,
)


@pytest.mark.parametrize(
    "flow, agent",
    [
        ("flows/support/flow.yaml", "flows/support/agent.py"),
        ("flow.json", "agent.py"),
        ("flows/triage.flow.yaml", "flows/triage_agent.py"),
        ("flows/order-triage.v2.flow.yml", "flows/order_triage_v2_agent.py"),
    ],
)
def test_an_agent_stands_beside_its_flow(flow: str, agent: str) -> None:
    assert is_flow(flow)
    assert agent_path(flow) == agent


@pytest.mark.parametrize("path", ["flows/x.yaml", "overflow.yaml", "flow.txt", "1.flow.yaml"])
def test_other_files_are_no_flows(path: str) -> None:
    assert not is_flow(path)


def test_tests_and_summary_stand_beside_the_agent() -> None:
    assert agent_tests_path("a/x_agent.py") == "a/test_x_agent.py"
    assert summary_path("a/x_agent.py") == "a/x_agent.json"
    assert line_map_path("a/x_agent.py") == "a/x_agent.map.json"
    assert module_name("a/x_agent.py") == "a.x_agent"
