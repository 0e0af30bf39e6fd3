"""MyPy on generated agents, with the repository's own MyPy: version, settings, plugins, stubs.

Pants' own rule looks at files of the repository alone. As it does, this one keeps MyPy's cache from
run to run, which makes an edit cheap; what it is kept under, no other run reads.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import InterpreterConstraintsField, PythonResolveField
from pants.backend.python.typecheck.mypy.skip_field import SkipMyPyField
from pants.backend.python.typecheck.mypy.subsystem import (
    MyPy,
    MyPyConfigFile,
    MyPyFirstPartyPlugins,
)
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import Pex, PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import RequirementsPexRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFiles,
    PythonSourceFilesRequest,
)
from pants.base.build_root import BuildRoot
from pants.core.goals.check import CheckRequest, CheckResult, CheckResults
from pants.core.util_rules.system_binaries import BashBinary, CpBinary, MkdirBinary, MvBinary
from pants.engine.fs import (
    AddPrefix,
    CreateDigest,
    Digest,
    DigestSubset,
    FileContent,
    MergeDigests,
    PathGlobs,
)
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import FieldSet, Target, TransitiveTargets, TransitiveTargetsRequest
from pants.engine.unions import UnionRule
from pants.option.global_options import GlobalOptions
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize, shell_quote

from irc_pants.generator_target import AgentFlowsGeneratorTarget
from irc_pants.naming import module_name
from irc_pants.target_types import AgentFlowSourceField, AgentFlowTarget
from irc_pants.util_rules.carried_flows import CarriedFlows, CarriedFlowsRequest
from irc_pants.util_rules.compile_flow import CompiledFlow
from irc_pants.util_rules.compile_flows import (
    CompileFlowsRequest,
    FallibleCompiledFlows,
    batches_of,
)

CACHE_DIR = ".cache/irc_mypy"


@dataclass(frozen=True)
class AgentFlowMyPyFieldSet(FieldSet):
    required_fields = (AgentFlowSourceField,)

    source: AgentFlowSourceField
    resolve: PythonResolveField
    interpreter_constraints: InterpreterConstraintsField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return bool(tgt.get(SkipMyPyField).value)


class AgentFlowMyPyRequest(CheckRequest[AgentFlowMyPyFieldSet]):
    field_set_type = AgentFlowMyPyFieldSet
    tool_name = "mypy of agents"
    # `check --only=mypy` means both.
    tool_id = MyPy.options_scope


@dataclass(frozen=True)
class MyPyAgentsRequest:
    """Agents of one resolve and one set of interpreters, for one process."""

    sources: tuple[AgentFlowSourceField, ...]
    agents: tuple[CompiledFlow, ...]
    interpreter_constraints: InterpreterConstraints


@rule(desc="Check agents using MyPy", level=LogLevel.DEBUG)
async def check_agents(
    request: AgentFlowMyPyRequest, mypy: MyPy, python_setup: PythonSetup
) -> CheckResults:
    if mypy.skip:
        return CheckResults((), checker_name=request.tool_name)
    sources = tuple(field_set.source for field_set in request.field_sets)
    flows = await Get(FallibleCompiledFlows, CompileFlowsRequest(sources))
    # Of those that do not compile, the checker `irc` speaks.
    compiled = {
        source.address: flow.compiled for source, flow in zip(sources, flows) if flow.compiled
    }
    carried = await MultiGet(
        Get(CarriedFlows, CarriedFlowsRequest(address)) for address in compiled
    )
    refused = {
        address: found.diagnostics for address, found in zip(compiled, carried) if found.diagnostics
    }
    partitions: defaultdict[tuple[str, InterpreterConstraints], list[AgentFlowSourceField]] = (
        defaultdict(list)
    )
    for field_set in request.field_sets:
        if field_set.address in compiled and field_set.address not in refused:
            constraints = InterpreterConstraints.create_from_compatibility_fields(
                [field_set.interpreter_constraints], python_setup
            )
            resolve = field_set.resolve.normalized_value(python_setup)
            partitions[resolve, constraints].append(field_set.source)
    results = await MultiGet(
        Get(
            CheckResult,
            MyPyAgentsRequest(
                batch, tuple(compiled[source.address] for source in batch), constraints
            ),
        )
        for (_, constraints), partition in partitions.items()
        for batch in batches_of(partition)
    )
    refusals = (
        CheckResult(1, diagnostics, "", partition_description=address.spec)
        for address, diagnostics in refused.items()
    )
    return CheckResults((*results, *refusals), checker_name=request.tool_name)


@rule
async def check_some_agents(
    request: MyPyAgentsRequest,
    mypy: MyPy,
    config_file: MyPyConfigFile,
    plugins: MyPyFirstPartyPlugins,
    python_setup: PythonSetup,
    build_root: BuildRoot,
    bash: BashBinary,
    cp: CpBinary,
    mkdir: MkdirBinary,
    mv: MvBinary,
    global_options: GlobalOptions,
) -> CheckResult:
    addresses = [source.address for source in request.sources]
    constraints = request.interpreter_constraints
    universe = python_setup.interpreter_versions_universe
    tool_constraints = (
        constraints
        if mypy.options.is_default("interpreter_constraints")
        and constraints.requires_python38_or_newer(universe)
        else mypy.interpreter_constraints
    )
    transitive_targets, mypy_pex, requirements_pex, stubs_pex = await MultiGet(
        Get(TransitiveTargets, TransitiveTargetsRequest(addresses)),
        Get(
            VenvPex,
            PexRequest,
            mypy.to_pex_request(
                interpreter_constraints=tool_constraints,
                extra_requirements=plugins.requirement_strings,
            ),
        ),
        Get(
            Pex,
            RequirementsPexRequest(addresses, hardcoded_interpreter_constraints=constraints),
        ),
        Get(Pex, PexRequest, mypy.extra_type_stubs_pex_request(constraints)),
    )
    agents = await MultiGet(
        Get(Digest, DigestSubset(agent.digest, PathGlobs([agent.agent])))
        for agent in request.agents
    )
    placed = await MultiGet(
        Get(Digest, AddPrefix(digest, "" if agent.source_root == "." else agent.source_root))
        for digest, agent in zip(agents, request.agents)
    )
    sources, venv = await MultiGet(
        Get(PythonSourceFiles, PythonSourceFilesRequest(transitive_targets.dependencies)),
        Get(
            VenvPex,
            PexRequest(
                output_filename="requirements_venv.pex",
                internal_only=True,
                pex_path=[requirements_pex, stubs_pex],
                interpreter_constraints=constraints,
            ),
        ),
    )
    roots = sorted(
        {
            *plugins.source_roots,
            *sources.source_roots,
            *(agent.source_root for agent in request.agents),
        }
    )
    version = config_file.python_version_to_autoset(constraints, universe)
    arguments = (
        f"--python-executable={venv.python.argv0}",
        *mypy.args,
        *((f"--config-file={mypy.config}",) if mypy.config else ()),
        *((f"--python-version={version}",) if version else ()),
        *("--skip-cache-mtime-check", "--sqlite-cache", "--cache-dir=cache"),
        # By their modules: two files `agent.py` would be one module otherwise, but for a setting.
        *(part for agent in request.agents for part in ("-m", module_name(agent.agent))),
    )
    kept = f"{CACHE_DIR}/{sha256(build_root.path.encode()).hexdigest()}"
    script = f"""\
{mkdir.path} -p {kept} cache
{cp.path} -r {kept}/. cache 2> /dev/null
{" ".join(map(shell_quote, (mypy_pex.pex.argv0, *arguments)))}
status=$?
for file in cache/*/cache.db; do
  place="{kept}/${{file#cache/}}"
  {mkdir.path} -p "${{place%/*}}"
  {cp.path} "$file" "$place.$$" && {mv.path} "$place.$$" "$place"
done
exit $status
"""
    script_digest = await Get(Digest, CreateDigest([FileContent("mypy.sh", script.encode())]))
    input_digest = await Get(
        Digest,
        MergeDigests(
            (
                *placed,
                sources.source_files.snapshot.digest,
                plugins.sources_digest,
                config_file.digest,
                venv.digest,
                script_digest,
            )
        ),
    )
    process = await Get(
        Process,
        VenvPexProcess(
            mypy_pex,
            input_digest=input_digest,
            extra_env={
                "PEX_EXTRA_SYS_PATH": ":".join(roots),
                "MYPYPATH": ":".join(roots),
                "MYPY_FORCE_COLOR": "1",
                "TERM": "ansi",
                # None: lines are as long as they are.
                "MYPY_FORCE_TERMINAL_WIDTH": "1000000",
            },
            append_only_caches={"irc_mypy": CACHE_DIR},
            description=f"Run MyPy on {pluralize(len(request.agents), 'agent')}",
            level=LogLevel.DEBUG,
        ),
    )
    process = dataclasses.replace(process, argv=(bash.path, "mypy.sh"))
    result = await Get(FallibleProcessResult, Process, process)
    return CheckResult.from_fallible_process_result(
        result,
        partition_description=pluralize(len(request.agents), "agent"),
        strip_formatting=not global_options.colors,
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(CheckRequest, AgentFlowMyPyRequest),
        AgentFlowTarget.register_plugin_field(SkipMyPyField),
        AgentFlowsGeneratorTarget.register_plugin_field(SkipMyPyField),
    )
