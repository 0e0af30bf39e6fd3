"""Generated agents as Python sources."""

from __future__ import annotations

import pytest
from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents
from pants.engine.rules import QueryRule
from pants.engine.target import GeneratedSources, HydratedSources, HydrateSourcesRequest
from pants.testutil.rule_runner import RuleRunner

from irc_pants.codegen import GeneratePythonFromFlowRequest
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.testutil.rule_runner import FLOW, make_rule_runner


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = make_rule_runner(
        [
            QueryRule(GeneratedSources, [GeneratePythonFromFlowRequest]),
            QueryRule(HydratedSources, [HydrateSourcesRequest]),
            QueryRule(PythonModuleOwners, [PythonModuleOwnersRequest]),
        ]
    )
    rule_runner.write_files(
        {
            "flows/greeter/BUILD": "agent_flow(name='agent')",
            "flows/greeter/flow.yaml": FLOW,
            "src/shop/BUILD": (
                "agent_flow(name='agent')\nagent_flow(name='b', source='b-2.flow.json')"
            ),
            "src/shop/flow.yaml": FLOW,
            "src/shop/b-2.flow.json": "{}",
        }
    )
    return rule_runner


@pytest.mark.parametrize("folder", ["flows/greeter", "src/shop"])
def test_the_agent_stands_beside_its_flow(rule_runner: RuleRunner, folder: str) -> None:
    target = rule_runner.get_target(Address(folder, target_name="agent"))
    sources = rule_runner.request(
        HydratedSources, [HydrateSourcesRequest(target[AgentFlowSourceField])]
    )
    generated = rule_runner.request(
        GeneratedSources, [GeneratePythonFromFlowRequest(sources.snapshot, target)]
    )
    contents = rule_runner.request(DigestContents, [generated.snapshot.digest])
    assert [(file.path, file.content) for file in contents] == [
        (f"{folder}/agent.py", f"FLOW = {FLOW!r}\n".encode())
    ]


@pytest.mark.parametrize(
    "module, address",
    [
        ("flows.greeter.agent", Address("flows/greeter", target_name="agent")),
        ("shop.agent", Address("src/shop", target_name="agent")),
        ("shop.b_2_agent.Agent", Address("src/shop", target_name="b")),
    ],
)
def test_modules_of_agents_are_known(
    rule_runner: RuleRunner, module: str, address: Address
) -> None:
    request = PythonModuleOwnersRequest(module, "python-default")
    assert rule_runner.request(PythonModuleOwners, [request]).unambiguous == (address,)
