"""The dependencies of an `agent_flow`: what its agent will import, and the files it is made of."""

from __future__ import annotations

import glob
import itertools
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pants.backend.python.dependency_inference.parse_python_dependencies import (
    ParsedPythonAssetPaths,
    ParsedPythonDependencies,
    ParsedPythonImportInfo,
    ParsedPythonImports,
)
from pants.backend.python.dependency_inference.rules import (
    ImportOwnerStatus,
    ResolvedParsedPythonDependencies,
    ResolvedParsedPythonDependenciesRequest,
)
from pants.backend.python.dependency_inference.subsystem import (
    PythonInferSubsystem,
    UnownedDependencyUsage,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PythonResolveField
from pants.core.util_rules.stripped_source_files import StrippedFileName, StrippedFileNameRequest
from pants.engine.fs import CreateDigest, Digest, FileContent, PathGlobs, Paths
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.internals.native_dep_inference import NativeParsedPythonDependencies
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import FieldSet, InferDependenciesRequest, InferredDependencies
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel
from pants.util.strutil import bullet_list, softwrap

from irc_pants.compiler_target import lockfile_addresses
from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.naming import agent_path, module_name
from irc_pants.target_types import (
    AgentFlowBaseImageField,
    AgentFlowDependenciesField,
    AgentFlowSourceField,
)
from irc_pants.util_rules.base_image import BaseImageAddress, BaseImageAddressRequest
from irc_pants.util_rules.checked_flow import CheckedFlow, CheckFlowRequest

logger = logging.getLogger(__name__)


class UnownedFlowDependencyError(Exception):
    """A flow needs a module or a file that no target provides."""


@dataclass(frozen=True)
class AgentFlowInferenceFieldSet(FieldSet):
    required_fields = (AgentFlowSourceField, AgentFlowDependenciesField, PythonResolveField)

    source: AgentFlowSourceField
    dependencies: AgentFlowDependenciesField
    base_image: AgentFlowBaseImageField
    resolve: PythonResolveField


class InferAgentFlowDependencies(InferDependenciesRequest[AgentFlowInferenceFieldSet]):
    infer_from = AgentFlowInferenceFieldSet


@rule(desc="Infer the dependencies of agent flows", level=LogLevel.DEBUG)
async def infer_agent_flow_dependencies(
    request: InferAgentFlowDependencies,
    python_infer: PythonInferSubsystem,
    python_setup: PythonSetup,
) -> InferredDependencies:
    field_set = request.field_set
    await Get(CheckedFlow, CheckFlowRequest(field_set.address))
    references = await Get(FlowReferences, FlowReferencesRequest(field_set.source))
    imports = await Get(ParsedPythonImports, FlowReferences, references)
    resolve = field_set.resolve.normalized_value(python_setup)
    resolved, existing, base_image = await MultiGet(
        Get(
            ResolvedParsedPythonDependencies,
            # It asks nothing of the field set but its address, source and dependencies.
            ResolvedParsedPythonDependenciesRequest(
                field_set,  # type: ignore[arg-type]
                ParsedPythonDependencies(imports, ParsedPythonAssetPaths()),
                resolve,
            ),
        ),
        # Of a file that does not exist, the compiler speaks; a template may do without it.
        Get(Paths, PathGlobs(glob.escape(path) for path in references.paths)),
        Get(BaseImageAddress, BaseImageAddressRequest(field_set.base_image)),
    )
    file_owners = await MultiGet(
        Get(Owners, OwnersRequest((glob.escape(file),))) for file in existing.files
    )
    unowned_files = [
        file
        for file, owners in zip(existing.files, file_owners)
        if not owners and file not in references.python_files
    ]
    if unowned_files:
        _report(_unowned_files(unowned_files, field_set), python_infer.unowned_dependency_behavior)
    unowned = sorted(
        module
        for module, result in resolved.resolve_results.items()
        if result.status is ImportOwnerStatus.unowned
    )
    if unowned:
        message = _unowned_modules(unowned, field_set, resolve, python_setup.resolves[resolve])
        _report(message, python_infer.unowned_dependency_behavior)
    imported = itertools.chain.from_iterable(
        result.address for result in resolved.resolve_results.values()
    )
    owning = itertools.chain.from_iterable(file_owners)
    base = {base_image.address} if base_image.address is not None else set()
    # Packages record the digest of the lockfile, whatever of it they use.
    lockfile = lockfile_addresses(resolve, python_setup)
    return InferredDependencies(
        sorted({*imported, *owning, *base, *lockfile} - {field_set.address})
    )


@rule(level=LogLevel.DEBUG)
async def find_imports(references: FlowReferences) -> ParsedPythonImports:
    """The modules that the agent of a flow will import."""
    stripped_flow = await Get(StrippedFileName, StrippedFileNameRequest(references.flow.path))
    inline_digests = await MultiGet(
        # Where the agent will stand, from which relative imports start.
        Get(Digest, CreateDigest([FileContent(agent_path(stripped_flow.value), code.encode())]))
        for code in references.inline_code
    )
    inline_imports = await MultiGet(
        Get(NativeParsedPythonDependencies, Digest, digest) for digest in inline_digests
    )
    # Of a file that does not exist, the compiler speaks.
    files = await Get(Paths, PathGlobs(glob.escape(file) for file in references.python_files))
    stripped_files = await MultiGet(
        Get(StrippedFileName, StrippedFileNameRequest(file)) for file in files.files
    )
    certain = (
        *references.runtime,
        *references.functions,
        *(module_name(file.value) for file in stripped_files),
    )
    imports = {
        module: ParsedPythonImportInfo(*info)
        for parsed in inline_imports
        for module, info in parsed.imports.items()
    }
    imports.update((module, ParsedPythonImportInfo(lineno=0, weak=False)) for module in certain)
    return ParsedPythonImports(sorted(imports.items()))


def _unowned_modules(
    modules: list[str], field_set: AgentFlowInferenceFieldSet, resolve: str, lock: str
) -> str:
    packages = sorted({module.partition(".")[0] for module in modules})
    return softwrap(
        f"""
        The agent of {field_set.address} will import modules that no target of the resolve
        `{resolve}` provides:

        {bullet_list(modules)}

        Add a target for each; or, to the requirements of the resolve, the line
        {" or ".join(f"`{package}`" for package in packages)}, or whatever the distribution with it is
        called, and make {lock} anew. For an import of code in the flow that is not meant to be found,
        add `# pants: no-infer-dep` to its line.
        """
    )


def _unowned_files(files: list[str], field_set: AgentFlowInferenceFieldSet) -> str:
    return softwrap(
        f"""
        The agent of {field_set.address} is made of files that no target owns, so that Pants would
        not see it change with them:

        {bullet_list(files)}

        Add a target for them:

        {bullet_list(_missing_targets(files, field_set.address.spec_path))}
        """
    )


def _missing_targets(files: list[str], folder: str) -> Iterator[str]:
    """What to add to which BUILD file; a target owns files of its own folder and below alone."""
    by_folder: dict[str, list[str]] = {}
    for file in files:
        is_below = not os.path.relpath(file, folder).startswith("../")
        by_folder.setdefault(folder if is_below else os.path.dirname(file), []).append(file)
    for owner, owned in by_folder.items():
        sources = json.dumps([os.path.relpath(file, owner) for file in owned])
        yield f'`resources(name="flow_files", sources={sources})` in {os.path.join(owner, "BUILD")}'


def _report(message: str, behavior: UnownedDependencyUsage) -> None:
    if behavior is UnownedDependencyUsage.RaiseError:
        raise UnownedFlowDependencyError(message)
    if behavior is UnownedDependencyUsage.LogWarning:
        logger.warning(message)


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(InferDependenciesRequest, InferAgentFlowDependencies),
    )
