"""`test` of an `agent_flow`: its generated tests, under the pytest that all tests run under.

Flows with the same requirements share a process, up to `[test].batch_size` of them, and with it their
first-party files.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from pants.backend.python.goals.coverage_py import PytestCoverageData
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PythonRequirementsField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.core.goals.test import TestDebugRequest, TestRequest, TestResult, TestSubsystem
from pants.core.util_rules.partitions import Partition, PartitionerType, Partitions
from pants.engine.fs import EMPTY_FILE_DIGEST, DigestSubset, PathGlobs, Snapshot
from pants.engine.process import FallibleProcessResult, InteractiveProcess, Process
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from irc_pants.subsystem import Irc
from irc_pants.util_rules.agent_tests import (
    COVERAGE_FILE,
    AgentFlowTestFieldSet,
    AgentFlowTestPartition,
    AgentFlowTestSetup,
    AgentFlowTestSetupRequest,
)
from irc_pants.util_rules.carried_flows import CarriedFlows, CarriedFlowsRequest
from irc_pants.util_rules.checked_flow import CheckDependenciesRequest, CheckedDependencies
from irc_pants.util_rules.compile_flow import CompiledFlow, CompileFlowRequest
from irc_pants.util_rules.compile_flows import CompileFlowsRequest, FallibleCompiledFlows

logger = logging.getLogger(__name__)


class AgentFlowTestRequest(TestRequest):
    # The protocol wants the type of the option, which at run time is its value.
    tool_subsystem = Irc  # type: ignore[assignment]
    field_set_type = AgentFlowTestFieldSet
    partitioner_type = PartitionerType.CUSTOM
    supports_debug = True


@rule(desc="Partition the tests of agent flows", level=LogLevel.DEBUG)
async def partition_agent_flow_tests(
    request: AgentFlowTestRequest.PartitionRequest[AgentFlowTestFieldSet],
    irc: Irc,
    python_setup: PythonSetup,
) -> Partitions[AgentFlowTestFieldSet, AgentFlowTestPartition]:
    if irc.skip:
        return Partitions()
    await MultiGet(
        Get(CheckedDependencies, CheckDependenciesRequest(field_set.address))
        for field_set in request.field_sets
    )
    closures = await MultiGet(
        Get(TransitiveTargets, TransitiveTargetsRequest([field_set.address]))
        for field_set in request.field_sets
    )
    partitions: defaultdict[AgentFlowTestPartition, list[AgentFlowTestFieldSet]] = defaultdict(list)
    for field_set, targets in zip(request.field_sets, closures):
        partition = AgentFlowTestPartition(
            field_set.resolve.normalized_value(python_setup),
            InterpreterConstraints.create_from_compatibility_fields(
                [field_set.interpreter_constraints], python_setup
            ),
            tuple(
                sorted(
                    target.address
                    for target in targets.closure
                    if target.has_field(PythonRequirementsField)
                )
            ),
        )
        partitions[partition].append(field_set)
    return Partitions(
        Partition(tuple(field_sets), partition) for partition, field_sets in partitions.items()
    )


@rule(desc="Test agent flows", level=LogLevel.DEBUG)
async def run_agent_flow_tests(
    batch: AgentFlowTestRequest.Batch[AgentFlowTestFieldSet, AgentFlowTestPartition],
    test_subsystem: TestSubsystem,
) -> TestResult:
    flows = await Get(
        FallibleCompiledFlows,
        CompileFlowsRequest(tuple(field_set.sources for field_set in batch.elements)),
    )
    carried = await MultiGet(
        Get(CarriedFlows, CarriedFlowsRequest(field_set.address)) for field_set in batch.elements
    )
    broken = "\n\n".join(
        found.diagnostics if flow.compiled else flow.diagnostics
        for flow, found in zip(flows, carried)
        if flow.compiled is None or found.diagnostics
    )
    compiled = {
        field_set: flow.compiled
        for field_set, flow, found in zip(batch.elements, flows, carried)
        if flow.compiled is not None and not found.diagnostics
    }
    if not compiled:
        return TestResult(
            exit_code=1,
            stdout=broken,
            stdout_digest=EMPTY_FILE_DIGEST,
            stderr="",
            stderr_digest=EMPTY_FILE_DIGEST,
            addresses=tuple(field_set.address for field_set in batch.elements),
            output_setting=test_subsystem.output,
            result_metadata=None,
        )
    setup = await Get(
        AgentFlowTestSetup,
        AgentFlowTestSetupRequest(
            tuple(compiled), tuple(compiled.values()), batch.partition_metadata, is_debug=False
        ),
    )
    result = await Get(FallibleProcessResult, Process, setup.process)
    xml_results, coverage = await MultiGet(
        Get(Snapshot, DigestSubset(result.output_digest, PathGlobs([setup.results_file]))),
        Get(Snapshot, DigestSubset(result.output_digest, PathGlobs([COVERAGE_FILE]))),
    )
    if test_subsystem.use_coverage and not coverage.files:
        logger.warning(f"Failed to generate coverage data for {batch.elements[0].address}.")
    tested = TestResult.from_batched_fallible_process_result(
        result,
        batch=batch,
        output_setting=test_subsystem.output,
        coverage_data=(
            PytestCoverageData(setup.roots, coverage.digest) if coverage.files else None
        ),
        xml_results=xml_results if xml_results.files else None,
    )
    if not broken:
        return tested
    return replace(tested, exit_code=tested.exit_code or 1, stdout=f"{tested.stdout}\n{broken}")


@rule(desc="Set up the tests of agent flows to run interactively", level=LogLevel.DEBUG)
async def debug_agent_flow_tests(
    batch: AgentFlowTestRequest.Batch[AgentFlowTestFieldSet, AgentFlowTestPartition],
) -> TestDebugRequest:
    compiled = await MultiGet(
        Get(CompiledFlow, CompileFlowRequest(field_set.sources)) for field_set in batch.elements
    )
    setup = await Get(
        AgentFlowTestSetup,
        AgentFlowTestSetupRequest(
            batch.elements, compiled, batch.partition_metadata, is_debug=True
        ),
    )
    return TestDebugRequest(
        InteractiveProcess.from_process(
            setup.process, forward_signals_to_process=False, restartable=True
        )
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *AgentFlowTestRequest.rules())
