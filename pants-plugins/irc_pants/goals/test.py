"""`test` of an `agent_flow`: its generated tests, under the pytest that all tests run under."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.goals.coverage_py import (
    CoverageConfig,
    CoverageSubsystem,
    PytestCoverageData,
)
from pants.backend.python.subsystems.pytest import PyTest
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import InterpreterConstraintsField, PythonResolveField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import Pex, PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import RequirementsPexRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFiles,
    PythonSourceFilesRequest,
)
from pants.core.goals.test import (
    TestDebugRequest,
    TestExtraEnv,
    TestFieldSet,
    TestRequest,
    TestResult,
    TestSubsystem,
)
from pants.core.util_rules.config_files import ConfigFiles, ConfigFilesRequest
from pants.engine.addresses import Address
from pants.engine.fs import (
    EMPTY_FILE_DIGEST,
    AddPrefix,
    Digest,
    DigestSubset,
    MergeDigests,
    PathGlobs,
    Snapshot,
)
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    Process,
    ProcessCacheScope,
)
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest
from pants.engine.unions import UnionRule
from pants.option.global_options import GlobalOptions
from pants.util.logging import LogLevel

from irc_pants.compiler_target import TESTING_MODULE
from irc_pants.naming import agent_tests_path, line_map_path
from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField, AgentFlowTestTimeoutField
from irc_pants.util_rules.compile_flow import (
    CompiledFlow,
    CompileFlowRequest,
    FallibleCompiledFlow,
)

logger = logging.getLogger(__name__)

# Beside all sources: coverage would count the tests otherwise.
TESTS_DIR = "__generated_tests__"
COVERAGE_FILE = ".coverage"


@dataclass(frozen=True)
class AgentFlowTestFieldSet(TestFieldSet):
    required_fields = (AgentFlowSourceField,)

    sources: AgentFlowSourceField
    timeout: AgentFlowTestTimeoutField
    resolve: PythonResolveField
    interpreter_constraints: InterpreterConstraintsField


class AgentFlowTestRequest(TestRequest):
    # The protocol wants the type of the option, which at run time is its value.
    tool_subsystem = Irc  # type: ignore[assignment]
    field_set_type = AgentFlowTestFieldSet
    supports_debug = True


@dataclass(frozen=True)
class AgentFlowTestSetupRequest:
    field_set: AgentFlowTestFieldSet
    compiled: CompiledFlow
    is_debug: bool


@dataclass(frozen=True)
class AgentFlowTestSetup:
    """The process, the JUnit file that it writes, and the targets whose code it runs."""

    process: Process
    results_file: str
    roots: tuple[Address, ...]


@dataclass(frozen=True)
class TestingOwnersRequest:
    resolve: str

    __test__ = False


@dataclass(frozen=True)
class TestingOwners:
    """What provides the module that generated tests import."""

    addresses: tuple[Address, ...]

    __test__ = False


@rule
async def find_testing_owners(request: TestingOwnersRequest) -> TestingOwners:
    owners = await Get(
        PythonModuleOwners, PythonModuleOwnersRequest(TESTING_MODULE, request.resolve)
    )
    return TestingOwners(owners.unambiguous)


@rule(level=LogLevel.DEBUG)
async def setup_agent_flow_test(
    request: AgentFlowTestSetupRequest,
    pytest: PyTest,
    python_setup: PythonSetup,
    test_subsystem: TestSubsystem,
    coverage_config: CoverageConfig,
    coverage_subsystem: CoverageSubsystem,
    test_extra_env: TestExtraEnv,
    global_options: GlobalOptions,
) -> AgentFlowTestSetup:
    field_set = request.field_set
    constraints = InterpreterConstraints.create_from_compatibility_fields(
        [field_set.interpreter_constraints], python_setup
    )
    testing = await Get(
        TestingOwners, TestingOwnersRequest(field_set.resolve.normalized_value(python_setup))
    )
    roots = (field_set.address, *testing.addresses)
    tests = agent_tests_path(request.compiled.agent)
    line_map = line_map_path(request.compiled.agent)
    (
        transitive_targets,
        requirements_pex,
        pytest_pex,
        tests_digest,
        line_map_digest,
        config_files,
    ) = await MultiGet(
        Get(TransitiveTargets, TransitiveTargetsRequest(roots)),
        Get(Pex, RequirementsPexRequest(roots)),
        Get(Pex, PexRequest, pytest.to_pex_request(interpreter_constraints=constraints)),
        Get(Digest, DigestSubset(request.compiled.digest, PathGlobs([tests]))),
        Get(Digest, DigestSubset(request.compiled.digest, PathGlobs([line_map]))),
        Get(
            ConfigFiles,
            ConfigFilesRequest,
            pytest.config_request([os.path.dirname(field_set.sources.file_path)]),
        ),
    )
    if request.compiled.source_root != ".":
        line_map_digest = await Get(
            Digest, AddPrefix(line_map_digest, request.compiled.source_root)
        )
    runner_pex, sources, tests_digest = await MultiGet(
        Get(
            VenvPex,
            PexRequest(
                output_filename="pytest_runner.pex",
                interpreter_constraints=constraints,
                main=pytest.main,
                internal_only=True,
                pex_path=[pytest_pex, requirements_pex],
            ),
        ),
        Get(
            PythonSourceFiles,
            PythonSourceFilesRequest(transitive_targets.closure, include_files=True),
        ),
        Get(Digest, AddPrefix(tests_digest, TESTS_DIR)),
    )
    use_coverage = test_subsystem.use_coverage and not request.is_debug
    input_digest = await Get(
        Digest,
        MergeDigests(
            (
                sources.source_files.snapshot.digest,
                tests_digest,
                line_map_digest,
                config_files.snapshot.digest,
                *((coverage_config.digest,) if use_coverage else ()),
            )
        ),
    )
    results_file = f"{field_set.address.path_safe_spec}.xml"
    argv = [*pytest.args, f"--color={'yes' if global_options.colors else 'no'}"]
    if pytest.config:
        argv.extend(("-c", pytest.config))
    if not request.is_debug:
        argv.extend((f"--junit-xml={results_file}", "-o", f"junit_family={pytest.junit_family}"))
    if use_coverage:
        argv.extend(("--cov-report=", f"--cov-config={coverage_config.path}"))
        # Folders, not source roots: the build root would be one, and the tests would count.
        folders = {os.path.dirname(file) for file in sources.source_files.files}
        measured = coverage_subsystem.filter or sorted(folders)
        argv.extend(f"--cov={place}" for place in measured)
    process = await Get(
        Process,
        VenvPexProcess(
            runner_pex,
            # Tests of two flows may have the same name: no package, and no place on sys.path.
            argv=(*argv, "--import-mode=importlib", f"{TESTS_DIR}/{tests}"),
            extra_env={
                "PEX_EXTRA_SYS_PATH": ":".join(sources.source_roots),
                **test_extra_env.env,
            },
            input_digest=input_digest,
            output_files=(results_file, COVERAGE_FILE),
            timeout_seconds=field_set.timeout.calculate_from_global_options(test_subsystem),
            execution_slot_variable=pytest.execution_slot_var,
            description=f"Run the tests of {field_set.address}",
            level=LogLevel.DEBUG,
            cache_scope=(
                ProcessCacheScope.PER_SESSION
                if test_subsystem.force
                else ProcessCacheScope.SUCCESSFUL
            ),
        ),
    )
    return AgentFlowTestSetup(process, results_file, roots)


@rule(desc="Test an agent flow", level=LogLevel.DEBUG)
async def run_agent_flow_test(
    batch: AgentFlowTestRequest.Batch[AgentFlowTestFieldSet, Any],
    test_subsystem: TestSubsystem,
) -> TestResult:
    field_set = batch.single_element
    flow = await Get(FallibleCompiledFlow, CompileFlowRequest(field_set.sources))
    if flow.compiled is None:
        return TestResult(
            exit_code=1,
            stdout=flow.diagnostics,
            stdout_digest=EMPTY_FILE_DIGEST,
            stderr="",
            stderr_digest=EMPTY_FILE_DIGEST,
            addresses=(field_set.address,),
            output_setting=test_subsystem.output,
            result_metadata=None,
        )
    setup = await Get(
        AgentFlowTestSetup, AgentFlowTestSetupRequest(field_set, flow.compiled, is_debug=False)
    )
    result = await Get(FallibleProcessResult, Process, setup.process)
    xml_results, coverage = await MultiGet(
        Get(Snapshot, DigestSubset(result.output_digest, PathGlobs([setup.results_file]))),
        Get(Snapshot, DigestSubset(result.output_digest, PathGlobs([COVERAGE_FILE]))),
    )
    if test_subsystem.use_coverage and not coverage.files:
        logger.warning(f"Failed to generate coverage data for {field_set.address}.")
    return TestResult.from_fallible_process_result(
        result,
        address=field_set.address,
        output_setting=test_subsystem.output,
        coverage_data=(
            PytestCoverageData(setup.roots, coverage.digest) if coverage.files else None
        ),
        xml_results=xml_results if xml_results.files else None,
    )


@rule(desc="Set up the tests of an agent flow to run interactively", level=LogLevel.DEBUG)
async def debug_agent_flow_test(
    batch: AgentFlowTestRequest.Batch[AgentFlowTestFieldSet, Any],
) -> TestDebugRequest:
    field_set = batch.single_element
    compiled = await Get(CompiledFlow, CompileFlowRequest(field_set.sources))
    setup = await Get(
        AgentFlowTestSetup, AgentFlowTestSetupRequest(field_set, compiled, is_debug=True)
    )
    return TestDebugRequest(
        InteractiveProcess.from_process(
            setup.process, forward_signals_to_process=False, restartable=True
        )
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *AgentFlowTestRequest.rules())
