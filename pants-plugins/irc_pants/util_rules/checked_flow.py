"""What has to be true of an `agent_flow` before anything is made of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.dependency_inference.module_mapper import (
    FirstPartyPythonModuleMapping,
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    InterpreterConstraintsField,
    PythonRequirementsField,
    PythonResolveField,
)
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.engine.addresses import Address, Addresses
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    Target,
    Targets,
    TransitiveTargets,
    TransitiveTargetsRequest,
    WrappedTarget,
    WrappedTargetRequest,
)
from pants.util.memo import memoized
from pants.util.strutil import softwrap

from irc_pants import versions
from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.naming import agent_path, module_name
from irc_pants.runtime_extras import needed_extras
from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.version import VERSION
from irc_pants.versions import COMPILER, RUNTIME, LockedVersions, LockedVersionsRequest

# What agents run on, by the runtime's `Requires-Python`.
PYTHON = "3.11"


class DuplicateFlowError(Exception):
    """Two targets have the same flow."""


class AgentModuleCollisionError(Exception):
    """The module that a flow becomes is there already."""


class AgentPythonError(Exception):
    """An agent may not run on the Python that the runtime needs."""


class RuntimeNotFoundError(Exception):
    """The resolve of an agent lacks the runtime, or an extra of it."""


class CircularFlowError(Exception):
    """An agent carries code that imports the agent."""


@dataclass(frozen=True)
class CheckFlowRequest:
    address: Address


@dataclass(frozen=True)
class CheckedFlow:
    """Nothing keeps an agent from being made of this flow, as far as its target says."""

    address: Address


@dataclass(frozen=True)
class CheckDependenciesRequest:
    address: Address


@dataclass(frozen=True)
class CheckedDependencies:
    """An agent depends on nothing that depends on it."""

    address: Address


@dataclass(frozen=True)
class ThirdPartyOwnerRequest:
    """Which requirement of a resolve provides a module."""

    module: str
    resolve: str


@dataclass(frozen=True)
class ThirdPartyOwner:
    """The requirement, with its extras.

    Attributes:
        is_owned: whether there is an owner at all; without a requirement, it is first-party code.
    """

    is_owned: bool
    address: Address | None = None
    extras: tuple[str, ...] = ()


@rule
async def find_third_party_owner(request: ThirdPartyOwnerRequest) -> ThirdPartyOwner:
    owners = await Get(
        PythonModuleOwners, PythonModuleOwnersRequest(request.module, request.resolve)
    )
    targets = await Get(Targets, Addresses((*owners.unambiguous, *owners.ambiguous)))
    for target in targets:
        if target.has_field(PythonRequirementsField):
            extras = {
                extra
                for requirement in target[PythonRequirementsField].value
                for extra in requirement.as_pkg_resources_requirement().extras
            }
            return ThirdPartyOwner(True, target.address, tuple(sorted(extras)))
    return ThirdPartyOwner(bool(targets))


@rule
async def check_flow(
    request: CheckFlowRequest,
    irc: Irc,
    python_setup: PythonSetup,
    first_party: FirstPartyPythonModuleMapping,
) -> CheckedFlow:
    wrapped = await Get(
        WrappedTarget, WrappedTargetRequest(request.address, description_of_origin="<infallible>")
    )
    target = wrapped.target
    _check_python(target, python_setup)
    flow = target[AgentFlowSourceField]
    resolve = target[PythonResolveField].normalized_value(python_setup)
    references = await Get(FlowReferences, FlowReferencesRequest(flow))
    compiler, runtime = await MultiGet(
        Get(ThirdPartyOwner, ThirdPartyOwnerRequest("irc.__main__", irc.resolve(python_setup))),
        Get(ThirdPartyOwner, ThirdPartyOwnerRequest("irc_runtime.agent", resolve)),
    )
    module = module_name(os.path.relpath(agent_path(flow.file_path), references.flow.source_root))
    others = await Get(
        Targets,
        Addresses(
            provider.provider.addr
            for provider in first_party.providers_for_module(module, resolve)
            if provider.ancestry == 0 and provider.provider.addr != request.address
        ),
    )
    _check_alone(target, module, resolve, others)
    _check_runtime(target, references, resolve, python_setup, runtime)
    locked = await MultiGet(
        Get(LockedVersions, LockedVersionsRequest(irc.resolve(python_setup), COMPILER)),
        Get(LockedVersions, LockedVersionsRequest(resolve, RUNTIME)),
    )
    versions.check_versions(
        locked[0] if compiler.address else None, locked[1] if runtime.address else None
    )
    return CheckedFlow(request.address)


@rule
async def check_dependencies(request: CheckDependenciesRequest) -> CheckedDependencies:
    transitive_targets = await Get(TransitiveTargets, TransitiveTargetsRequest([request.address]))
    if all(target.address != request.address for target in transitive_targets.dependencies):
        return CheckedDependencies(request.address)
    carried = [
        target for target in transitive_targets.dependencies if target.has_field(Dependencies)
    ]
    found = await MultiGet(
        Get(Addresses, DependenciesRequest(target[Dependencies])) for target in carried
    )
    importing = sorted(
        target.address.spec
        for target, addresses in zip(carried, found)
        if request.address in addresses
    )
    raise CircularFlowError(
        softwrap(
            f"""
            The agent of {request.address} carries {" and ".join(importing)}, by its field
            `dependencies` or by what its flow refers to, which depends on that agent. Move what the
            flow uses into a module of its own, which does not import the agent.
            """
        )
    )


def _check_alone(target: Target, module: str, resolve: str, others: Iterable[Target]) -> None:
    source = target[AgentFlowSourceField]
    for other in others:
        if (
            other.has_field(AgentFlowSourceField)
            and other[AgentFlowSourceField].file_path == source.file_path
        ):
            first, second = sorted((target.address.spec, other.address.spec))
            raise DuplicateFlowError(
                softwrap(
                    f"""
                    The targets {first} and {second} have the same flow in their field
                    `{source.alias}`, {source.file_path!r}, for the resolve `{resolve}`. Both would
                    provide the module `{module}`. Remove one of them, or give them different
                    resolves.
                    """
                )
            )
        raise AgentModuleCollisionError(
            softwrap(
                f"""
                The flow of {target.address}, by its field `{source.alias}` {source.file_path!r},
                becomes the module `{module}`, which {other.address} provides as well, for the
                resolve `{resolve}`. Rename that module, or call the flow `<name>.flow.yaml`: it
                then becomes `<name>_agent`.
                """
            )
        )


@memoized  # flows have few different ones, and each takes a look at all releases
def _includes_python(constraints: InterpreterConstraints) -> bool:
    try:
        constraints.enumerate_python_versions([PYTHON])
    except ValueError:  # None of them is a release of that Python.
        return False
    return True


def _check_python(target: Target, python_setup: PythonSetup) -> None:
    field = target[InterpreterConstraintsField]
    constraints = InterpreterConstraints.create_from_compatibility_fields([field], python_setup)
    if _includes_python(constraints):
        return
    origin = (
        f"its field `{field.alias}`"
        if field.value == field.value_or_global_default(python_setup)
        else "the option `[python].interpreter_constraints`"
    )
    raise AgentPythonError(
        softwrap(
            f"""
            The agent of {target.address} may run on {constraints}, by {origin}. That excludes
            Python {PYTHON}, which irc-runtime {VERSION} needs. Set
            `interpreter_constraints=["=={PYTHON}.*"]` on the target.
            """
        )
    )


def _check_runtime(
    target: Target,
    references: FlowReferences,
    resolve: str,
    python_setup: PythonSetup,
    runtime: ThirdPartyOwner,
) -> None:
    field = target[PythonResolveField]
    origin = f"field `{field.alias}`" if field.value else "option `[python].default_resolve`"
    lock = python_setup.resolves.get(resolve, "")
    needed = needed_extras(references.runtime)
    where = f"resolve `{resolve}` of {target.address}, by the {origin}"
    if not runtime.is_owned:
        problem = f"The {where}, lacks the runtime."
        extras = needed
    elif runtime.address is not None and not needed <= set(runtime.extras):
        missing = " and ".join(f"`{extra}`" for extra in sorted(needed - set(runtime.extras)))
        problem = (
            f"The {where}, has the runtime by {runtime.address} without the extra {missing},"
            f" which {references.flow.path} needs."
        )
        extras = needed | set(runtime.extras)
    else:
        return
    line = (
        f"{RUNTIME}[{','.join(sorted(extras))}]=={VERSION}" if extras else f"{RUNTIME}=={VERSION}"
    )
    raise RuntimeNotFoundError(
        f"{problem} Add the line `{line}` to its requirements, and make {lock} anew."
    )


def rules() -> Iterable[Rule]:
    return (*collect_rules(), *versions.rules())
