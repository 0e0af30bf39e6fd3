"""The compiler in the graph of dependencies, so that a change to it reaches every flow.

What a flow is compiled with is no part of its agent: were it a dependency like others, it would be
packed. So flows have it in a field that only goals which ask for dependents read, such as
`--changed-dependents`, and that closures of code leave out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.goals.lockfile import synthetic_lockfile_target_name
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PythonRequirementsField
from pants.engine.addresses import Address, Addresses, UnparsedAddressInputs
from pants.engine.internals.synthetic_targets import SyntheticAddressMaps, SyntheticTargetsRequest
from pants.engine.internals.target_adaptor import TargetAdaptor
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    Dependencies,
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    Target,
    Targets,
)
from pants.engine.unions import UnionRule
from pants.util.strutil import help_text

from irc_pants.subsystem import Irc

# What makes packages and tests of flows; other subcommands change neither.
COMMANDS = ("compile", "image", "manifest", "package", "sbom")

# What generated tests import besides the agent.
TESTING_MODULE = "irc_runtime.testing"


class CompilerDependenciesField(Dependencies):
    pass


class CompilerTarget(Target):
    alias = "_irc_compiler"
    core_fields = (*COMMON_TARGET_FIELDS, CompilerDependenciesField)
    help = help_text(
        """
        The compiler of agent flows, on which every flow depends, so that `--changed-dependents` finds
        flows when the compiler, its requirements or their lockfile change.
        """
    )


@dataclass(frozen=True)
class CompilerTargetsRequest(SyntheticTargetsRequest):
    path: str = SyntheticTargetsRequest.SINGLE_REQUEST_FOR_ALL_TARGETS


@dataclass(frozen=True)
class CompilerInferenceFieldSet(FieldSet):
    required_fields = (CompilerDependenciesField,)

    dependencies: CompilerDependenciesField


class InferCompilerDependencies(InferDependenciesRequest[CompilerInferenceFieldSet]):
    infer_from = CompilerInferenceFieldSet


@rule
def make_compiler_target(request: CompilerTargetsRequest) -> SyntheticAddressMaps:
    adaptor = TargetAdaptor(
        CompilerTarget.alias,
        name=CompilerTarget.alias,
        __description_of_origin__="the backend `irc_pants`",
    )
    return SyntheticAddressMaps.for_targets_request(request, [("BUILD.irc", (adaptor,))])


@rule
async def infer_compiler_dependencies(
    _: InferCompilerDependencies, irc: Irc, python_setup: PythonSetup
) -> InferredDependencies:
    resolve = irc.resolve(python_setup)
    modules = ("irc.__main__", *(f"irc.cli.{command}" for command in COMMANDS))
    *compiler, testing, testing_anywhere = await MultiGet(
        *(Get(PythonModuleOwners, PythonModuleOwnersRequest(name, resolve)) for name in modules),
        Get(PythonModuleOwners, PythonModuleOwnersRequest(TESTING_MODULE, resolve)),
        Get(PythonModuleOwners, PythonModuleOwnersRequest(TESTING_MODULE, resolve=None)),
    )
    # Of code in several resolves, one stands for all: the others would bring their lockfiles.
    owners_of_tests = testing.unambiguous or (
        *testing_anywhere.unambiguous,
        *testing_anywhere.ambiguous,
    )
    operations, testing_targets = await MultiGet(
        Get(Addresses, UnparsedAddressInputs, irc.operation_addresses),
        Get(Targets, Addresses(owners_of_tests)),
    )
    # A requirement is the agent's own dependency, in the flow's own resolve.
    code_of_tests = (
        target.address
        for target in testing_targets
        if not target.has_field(PythonRequirementsField)
    )
    return InferredDependencies(
        sorted(
            {
                *(address for owner in compiler for address in owner.unambiguous),
                *operations,
                *code_of_tests,
                *lockfile_addresses(resolve, python_setup),
            }
        )
    )


def lockfile_addresses(resolve: str, python_setup: PythonSetup) -> tuple[Address, ...]:
    """The target that Pants makes of a resolve's lockfile, unless it is told not to."""
    if not python_setup.enable_synthetic_lockfiles or resolve not in python_setup.resolves:
        return ()
    folder, name = os.path.split(python_setup.resolves[resolve])
    target_name = synthetic_lockfile_target_name(resolve)
    return (Address(folder, target_name=target_name, relative_file_path=name),)


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(SyntheticTargetsRequest, CompilerTargetsRequest),
        UnionRule(InferDependenciesRequest, InferCompilerDependencies),
    )
