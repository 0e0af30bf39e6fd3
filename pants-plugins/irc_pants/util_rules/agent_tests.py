"""The process that runs the generated tests of flows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.goals.coverage_py import CoverageConfig, CoverageSubsystem
from pants.backend.python.subsystems.pytest import PyTest
from pants.backend.python.target_types import InterpreterConstraintsField, PythonResolveField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import Pex, PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import RequirementsPexRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFiles,
    PythonSourceFilesRequest,
)
from pants.core.goals.test import TestExtraEnv, TestFieldSet, TestSubsystem
from pants.core.util_rules.config_files import ConfigFiles, ConfigFilesRequest
from pants.engine.addresses import Address
from pants.engine.fs import AddPrefix, Digest, DigestSubset, MergeDigests, PathGlobs
from pants.engine.process import Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest
from pants.option.global_options import GlobalOptions
from pants.util.logging import LogLevel

from irc_pants.compiler_target import TESTING_MODULE
from irc_pants.naming import agent_tests_path, line_map_path
from irc_pants.target_types import AgentFlowSourceField, AgentFlowTestTimeoutField
from irc_pants.util_rules.compile_flow import CompiledFlow

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


@dataclass(frozen=True)
class AgentFlowTestPartition:
    """What flows have in common whose tests run in one process."""

    resolve: str
    interpreter_constraints: InterpreterConstraints
    requirements: tuple[Address, ...]

    @property
    def description(self) -> None:
        """Nothing: results name their flows."""


@dataclass(frozen=True)
class AgentFlowTestSetupRequest:
    """The tests of flows that go into one process.

    Attributes:
        compiled: in the order of the field sets.
    """

    field_sets: tuple[AgentFlowTestFieldSet, ...]
    compiled: tuple[CompiledFlow, ...]
    partition: AgentFlowTestPartition
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
    test_subsystem: TestSubsystem,
    coverage_config: CoverageConfig,
    coverage_subsystem: CoverageSubsystem,
    test_extra_env: TestExtraEnv,
    global_options: GlobalOptions,
) -> AgentFlowTestSetup:
    constraints = request.partition.interpreter_constraints
    testing = await Get(TestingOwners, TestingOwnersRequest(request.partition.resolve))
    roots = (*(field_set.address for field_set in request.field_sets), *testing.addresses)
    (
        transitive_targets,
        requirements_pex,
        pytest_pex,
        config_files,
    ) = await MultiGet(
        Get(TransitiveTargets, TransitiveTargetsRequest(roots)),
        Get(Pex, RequirementsPexRequest(roots)),
        Get(Pex, PexRequest, pytest.to_pex_request(interpreter_constraints=constraints)),
        Get(
            ConfigFiles,
            ConfigFilesRequest,
            pytest.config_request(
                [os.path.dirname(field_set.sources.file_path) for field_set in request.field_sets]
            ),
        ),
    )
    tests = [agent_tests_path(compiled.agent) for compiled in request.compiled]
    tests_digests = await MultiGet(
        Get(Digest, DigestSubset(compiled.digest, PathGlobs([path])))
        for compiled, path in zip(request.compiled, tests)
    )
    agents = await MultiGet(
        Get(
            Digest,
            DigestSubset(
                compiled.digest, PathGlobs([compiled.agent, line_map_path(compiled.agent)])
            ),
        )
        for compiled in request.compiled
    )
    agents = await MultiGet(
        Get(Digest, AddPrefix(digest, compiled.source_root.removeprefix(".")))
        for compiled, digest in zip(request.compiled, agents)
    )
    tests_digest = await Get(Digest, MergeDigests(tests_digests))
    # Code generation would compile each of the flows once more, in a process of its own.
    tested = {field_set.address for field_set in request.field_sets}
    others = [target for target in transitive_targets.closure if target.address not in tested]
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
            PythonSourceFilesRequest(others, include_files=True),
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
                *agents,
                config_files.snapshot.digest,
                *((coverage_config.digest,) if use_coverage else ()),
            )
        ),
    )
    source_roots = sorted(
        {*sources.source_roots, *(compiled.source_root for compiled in request.compiled)}
    )
    first, more = request.field_sets[0].address, len(request.field_sets) - 1
    results_file = f"{first.path_safe_spec}.xml"
    if more:
        results_file = f"batch-of-{first.path_safe_spec}+{more}-flows.xml"
    argv = [*pytest.args, f"--color={'yes' if global_options.colors else 'no'}"]
    if pytest.config:
        argv.extend(("-c", pytest.config))
    if not request.is_debug:
        argv.extend((f"--junit-xml={results_file}", "-o", f"junit_family={pytest.junit_family}"))
    if use_coverage:
        argv.extend(("--cov-report=", f"--cov-config={coverage_config.path}"))
        # Folders, not source roots: the build root would be one, and the tests would count.
        files = (
            *sources.source_files.files,
            *(os.path.join(code.source_root, code.agent) for code in request.compiled),
        )
        folders = {os.path.normpath(os.path.dirname(file)) for file in files}
        measured = coverage_subsystem.filter or sorted(folders)
        argv.extend(f"--cov={place}" for place in measured)
    process = await Get(
        Process,
        VenvPexProcess(
            runner_pex,
            argv=(
                *argv,
                # Tests of two flows may have the same name: no package, and no place on sys.path.
                "--import-mode=importlib",
                # Tests that cannot be imported keep none of another flow from running.
                "--continue-on-collection-errors",
                *(f"{TESTS_DIR}/{path}" for path in tests),
            ),
            extra_env={
                "PEX_EXTRA_SYS_PATH": ":".join(source_roots),
                **test_extra_env.env,
            },
            input_digest=input_digest,
            output_files=(results_file, COVERAGE_FILE),
            timeout_seconds=_timeout_seconds(request.field_sets, test_subsystem),
            execution_slot_variable=pytest.execution_slot_var,
            description=f"Run the tests of {first}{f' and {more} other flows' if more else ''}",
            level=LogLevel.DEBUG,
            cache_scope=(
                ProcessCacheScope.PER_SESSION
                if test_subsystem.force
                else ProcessCacheScope.SUCCESSFUL
            ),
        ),
    )
    return AgentFlowTestSetup(process, results_file, roots)


def _timeout_seconds(
    field_sets: Iterable[AgentFlowTestFieldSet], test_subsystem: TestSubsystem
) -> int | None:
    """The sum of the flows' own; None where one of them has none."""
    timeouts = [
        field_set.timeout.calculate_from_global_options(test_subsystem) for field_set in field_sets
    ]
    return sum(timeout or 0 for timeout in timeouts) if all(timeouts) else None


def rules() -> Iterable[Rule]:
    return collect_rules()
