"""`run` of an `agent_flow`: its agent, served on this machine; with `--debug-adapter`, under debugpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.goals.run_helper import (
    _create_python_source_run_dap_request,
    _create_python_source_run_request,
)
from pants.backend.python.subsystems.debugpy import DebugPy
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    InterpreterConstraintsField,
    PexEntryPointField,
    PexLayout,
)
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.backend.python.util_rules.pex import Pex, PexRequest
from pants.backend.python.util_rules.pex_environment import PexEnvironment
from pants.core.goals.run import (
    RunDebugAdapterRequest,
    RunFieldSet,
    RunInSandboxBehavior,
    RunRequest,
)
from pants.core.subsystems.debug_adapter import DebugAdapterSubsystem
from pants.engine.fs import AddPrefix, Digest, DigestSubset, MergeDigests, PathGlobs, Snapshot
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.naming import line_map_path, module_name
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.compile_flow import CompiledFlow, CompileFlowRequest

# What follows `--` on the command line comes after these, and overrides them. An agent says in its
# first line which port it has.
ARGUMENTS = ("--http_port=0", "--enable_grpc=false")


class NotServedError(Exception):
    """The agent of a flow is no server."""


@dataclass(frozen=True)
class AgentFlowRunFieldSet(RunFieldSet):
    required_fields = (AgentFlowSourceField,)
    supports_debug_adapter = True
    # A server does not end by itself.
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    source: AgentFlowSourceField
    interpreter_constraints: InterpreterConstraintsField


@dataclass(frozen=True)
class ServableAgentRequest:
    field_set: AgentFlowRunFieldSet


@dataclass(frozen=True)
class ServableAgent:
    """The entry point of an agent that serves, and the line map that its tracebacks are made with."""

    entry_point: PexEntryPointField
    line_map: Digest


@rule
async def find_servable_agent(request: ServableAgentRequest) -> ServableAgent:
    field_set = request.field_set
    references = await Get(FlowReferences, FlowReferencesRequest(field_set.source))
    if references.target == "lambda":
        raise NotServedError(
            softwrap(
                f"""
                {field_set.address} has the deployment target `lambda`: it is no server, but a
                function that AWS Lambda calls. `test` runs its cases, and `package` makes its archive.
                """
            )
        )
    compiled = await Get(CompiledFlow, CompileFlowRequest(field_set.source))
    line_map = await Get(
        Digest, DigestSubset(compiled.digest, PathGlobs([line_map_path(compiled.agent)]))
    )
    if compiled.source_root != ".":
        line_map = await Get(Digest, AddPrefix(line_map, compiled.source_root))
    return ServableAgent(
        PexEntryPointField(module_name(compiled.agent), field_set.address), line_map
    )


async def _run_request(field_set: AgentFlowRunFieldSet, pex_env: PexEnvironment) -> RunRequest:
    agent = await Get(ServableAgent, ServableAgentRequest(field_set))
    request = await _create_python_source_run_request(
        field_set.address,
        entry_point_field=agent.entry_point,
        pex_env=pex_env,
        # The generated module is there alone, whatever packages the repository has in its place.
        run_in_sandbox=True,
    )
    digest = await Get(Digest, MergeDigests((request.digest, agent.line_map)))
    return dataclasses.replace(request, digest=digest)


@rule(desc="Set up an agent to be served", level=LogLevel.DEBUG)
async def run_agent_flow(field_set: AgentFlowRunFieldSet, pex_env: PexEnvironment) -> RunRequest:
    request = await _run_request(field_set, pex_env)
    return dataclasses.replace(request, args=(*request.args, *ARGUMENTS))


@rule(desc="Set up an agent to be debugged", level=LogLevel.DEBUG)
async def debug_agent_flow(
    field_set: AgentFlowRunFieldSet,
    debugpy: DebugPy,
    debug_adapter: DebugAdapterSubsystem,
    pex_env: PexEnvironment,
    python_setup: PythonSetup,
) -> RunDebugAdapterRequest:
    constraints = InterpreterConstraints.create_from_compatibility_fields(
        [field_set.interpreter_constraints], python_setup
    )
    # Beside the agent's environment: one that joins two PEXes is not found again by newer releases of
    # pex than Pants knows.
    debugpy_pex = await Get(
        Pex,
        PexRequest,
        dataclasses.replace(
            debugpy.to_pex_request(interpreter_constraints=constraints), layout=PexLayout.LOOSE
        ),
    )
    distributions = await Get(
        Snapshot,
        DigestSubset(debugpy_pex.digest, PathGlobs([f"{debugpy_pex.name}/.deps/*/**"])),
    )
    request = await _create_python_source_run_dap_request(
        await _run_request(field_set, pex_env),
        debugpy=debugpy,
        debug_adapter=debug_adapter,
        run_in_sandbox=True,
    )
    places = sorted({"/".join(file.split("/")[:3]) for file in distributions.files})
    path = ":".join(
        (request.extra_env["PEX_EXTRA_SYS_PATH"], *(f"{{chroot}}/{place}" for place in places))
    )
    return dataclasses.replace(
        request,
        digest=await Get(Digest, MergeDigests((request.digest, debugpy_pex.digest))),
        args=(*request.args, *ARGUMENTS),
        extra_env=FrozenDict({**request.extra_env, "PEX_EXTRA_SYS_PATH": path}),
    )


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *AgentFlowRunFieldSet.rules())
