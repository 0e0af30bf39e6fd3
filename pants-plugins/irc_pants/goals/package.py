"""`package` of an `agent_flow`: what its target takes, an image or the archive of a function."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PexLayout, PythonResolveField
from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    OutputPathField,
    PackageFieldSet,
)
from pants.engine.fs import (
    EMPTY_DIGEST,
    AddPrefix,
    Digest,
    DigestContents,
    DigestSubset,
    MergeDigests,
    PathGlobs,
)
from pants.engine.platform import Platform
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import InvalidFieldException
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.naming import summary_path
from irc_pants.platforms import is_native
from irc_pants.subsystem import Irc
from irc_pants.target_types import (
    AgentFlowBaseImageField,
    AgentFlowHelmField,
    AgentFlowImageCompressionField,
    AgentFlowImageRepositoriesField,
    AgentFlowLayoutField,
    AgentFlowOverlaysField,
    AgentFlowPlatformsField,
    AgentFlowSourceField,
)
from irc_pants.util_rules.agent_code import (
    AgentRequirements,
    AgentRequirementsRequest,
    AgentSources,
    AgentSourcesRequest,
)
from irc_pants.util_rules.agent_pex import (
    AGENT_PEX,
    HASHED,
    AgentPex,
    PackedAgentPexRequest,
    ZipAppAgentPexRequest,
)
from irc_pants.util_rules.bill_of_materials import LIBRARIES_BILL
from irc_pants.util_rules.code_layer import CodeLayer, CodeLayerRequest
from irc_pants.util_rules.compile_flow import CompiledFlow, CompileFlowRequest
from irc_pants.util_rules.image_below import ImageBelow, ImageBelowRequest
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess
from irc_pants.util_rules.manifests import AgentManifests, AgentManifestsRequest

# Options of `irc package` for the documents of ImageBelow.
_BELOW = {"base": "base.json", "deps": "deps.json", "libraries": LIBRARIES_BILL}


@dataclass(frozen=True)
class AgentFlowPackageFieldSet(PackageFieldSet):
    required_fields = (AgentFlowSourceField,)

    source: AgentFlowSourceField
    layout: AgentFlowLayoutField
    base_image: AgentFlowBaseImageField
    image_compression: AgentFlowImageCompressionField
    platforms: AgentFlowPlatformsField
    image_repositories: AgentFlowImageRepositoriesField
    overlays: AgentFlowOverlaysField
    helm: AgentFlowHelmField
    resolve: PythonResolveField
    output_path: OutputPathField


@dataclass(frozen=True)
class AgentFunctionRequest:
    """An agent as an AWS Lambda function."""

    field_set: AgentFlowPackageFieldSet


@dataclass(frozen=True)
class AgentImageRequest:
    """An agent as an image, with what starts it."""

    field_set: AgentFlowPackageFieldSet


@dataclass(frozen=True)
class AgentPackage:
    """All that is left behind of an agent.

    Attributes:
        log_line: what to say of it.
    """

    digest: Digest
    log_line: str


@dataclass(frozen=True)
class AgentFilesRequest:
    """The parts of an agent's package, each made by itself."""

    field_set: AgentFlowPackageFieldSet
    compiled: CompiledFlow
    requirements: AgentRequirements
    sources: AgentSources
    below: tuple[ImageBelow, ...]
    code: CodeLayer
    lock: str
    manifests: AgentManifests


@dataclass(frozen=True)
class AgentFiles:
    """All that is this agent's alone: what it shares with others is not copied."""

    digest: Digest


@rule(desc="Package an agent flow", level=LogLevel.DEBUG)
async def package_agent_flow(field_set: AgentFlowPackageFieldSet) -> BuiltPackage:
    references = await Get(FlowReferences, FlowReferencesRequest(field_set.source))
    if references.target == "lambda":
        if field_set.platforms.value:
            raise InvalidFieldException(
                softwrap(
                    f"""
                    The field `{field_set.platforms.alias}` of the target {field_set.address} is of an
                    image, and the flow has the target `lambda`, whose archive is for the build
                    machine's platform alone. Take the field out, or set it to `[]` where it is a default.
                    """
                )
            )
        package = await Get(AgentPackage, AgentFunctionRequest(field_set))
    else:
        package = await Get(AgentPackage, AgentImageRequest(field_set))
    path = field_set.output_path.value_or_default(file_ending=None)
    digest = await Get(Digest, AddPrefix(package.digest, path))
    return BuiltPackage(digest, (BuiltPackageArtifact(path, extra_log_lines=(package.log_line,)),))


@rule(desc="Package an agent as an AWS Lambda function", level=LogLevel.DEBUG)
async def package_agent_function(request: AgentFunctionRequest) -> AgentPackage:
    field_set = request.field_set
    compiled, requirements, sources = await MultiGet(
        Get(CompiledFlow, CompileFlowRequest(field_set.source)),
        Get(AgentRequirements, AgentRequirementsRequest(field_set.address)),
        Get(AgentSources, AgentSourcesRequest(field_set.source)),
    )
    generated, first_party = await MultiGet(
        Get(Digest, AddPrefix(compiled.digest, "generated")),
        Get(Digest, AddPrefix(sources.digest, "sources")),
    )
    input_digest = await Get(
        Digest, MergeDigests((generated, first_party, requirements.pex.digest))
    )
    output = await Get(
        IrcOutput,
        IrcProcess(
            (
                "package",
                f"--agent=generated/{summary_path(compiled.agent)}",
                "--generated=generated",
                "--sources=sources",
                f"--deps-pex={requirements.pex.name}",
            ),
            description=f"Package {field_set.address}",
            input_digest=input_digest,
        ),
    )
    return AgentPackage(output.digest, "AWS Lambda: lambda.zip, and its template.yaml")


@rule(desc="Package an agent as an image", level=LogLevel.DEBUG)
async def package_agent_image(
    request: AgentImageRequest, python_setup: PythonSetup, machine: Platform
) -> AgentPackage:
    field_set = request.field_set
    resolve = field_set.resolve.normalized_value(python_setup)
    lock = python_setup.resolves[resolve]
    compiled, requirements, sources, *below = await MultiGet(
        Get(CompiledFlow, CompileFlowRequest(field_set.source)),
        Get(AgentRequirements, AgentRequirementsRequest(field_set.address)),
        Get(AgentSources, AgentSourcesRequest(field_set.source)),
        *(
            Get(
                ImageBelow,
                ImageBelowRequest(
                    field_set.address,
                    None if platform is None or is_native(platform, machine) else platform,
                    field_set.base_image,
                    field_set.image_compression.value,
                    resolve,
                    lock,
                ),
            )
            for platform in field_set.platforms.value or (None,)
        ),
    )
    flow = os.path.relpath(field_set.source.file_path, compiled.source_root)
    code, manifests = await MultiGet(
        Get(CodeLayer, CodeLayerRequest(sources, flow)),
        Get(
            AgentManifests,
            AgentManifestsRequest(field_set.address, compiled, field_set.overlays.value),
        ),
    )
    files = await Get(
        AgentFiles,
        AgentFilesRequest(
            field_set, compiled, requirements, sources, tuple(below), code, lock, manifests
        ),
    )
    pex = EMPTY_DIGEST
    if field_set.layout.value == PexLayout.ZIPAPP.value:
        pex = (await Get(AgentPex, ZipAppAgentPexRequest(field_set.address, compiled.agent))).digest
    elif field_set.layout.value == PexLayout.PACKED.value:
        pex = (await Get(AgentPex, PackedAgentPexRequest(requirements.pex, files.digest))).digest
    rest, summary, code_blobs = await MultiGet(
        Get(
            Digest,
            DigestSubset(files.digest, PathGlobs(["**", f"!{AGENT_PEX}", f"!{AGENT_PEX}/**"])),
        ),
        Get(DigestContents, DigestSubset(files.digest, PathGlobs(["image.json"]))),
        Get(Digest, DigestSubset(code.digest, PathGlobs(["blobs/**"]))),
    )
    shared_blobs = await Get(Digest, MergeDigests((code_blobs, *(item.blobs for item in below))))
    shared_blobs = await Get(Digest, AddPrefix(shared_blobs, "image"))
    digest = await Get(Digest, MergeDigests((pex, rest, shared_blobs)))
    reference = json.loads(summary[0].content)["reference"]
    return AgentPackage(digest, f"Image: {reference}")


@rule
async def write_agent_files(request: AgentFilesRequest, irc: Irc) -> AgentFiles:
    field_set = request.field_set
    pex = request.requirements.pex
    inputs = await MultiGet(
        Get(Digest, AddPrefix(request.compiled.digest, "generated")),
        Get(Digest, AddPrefix(request.sources.digest, "sources")),
        Get(Digest, DigestSubset(request.code.digest, PathGlobs(["code.json"]))),
        Get(
            Digest,
            DigestSubset(pex.digest, PathGlobs(f"{pex.name}/{hashed}" for hashed in HASHED)),
        ),
        Get(Digest, PathGlobs([request.lock])),
        *(
            Get(Digest, AddPrefix(below.documents, str(number)))
            for number, below in enumerate(request.below)
        ),
    )
    manifests = request.manifests.digest
    input_digest = await Get(Digest, MergeDigests((*inputs, manifests)))
    repository = next(iter(irc.image_repositories(field_set.image_repositories)), None)
    output = await Get(
        IrcOutput,
        IrcProcess(
            (
                "package",
                f"--agent=generated/{summary_path(request.compiled.agent)}",
                "--generated=generated",
                "--sources=sources",
                *(
                    f"--{option}={number}/{name}"
                    for number, _ in enumerate(request.below)
                    for option, name in _BELOW.items()
                ),
                "--code=code.json",
                f"--deps-pex={pex.name}",
                f"--lock={request.lock}",
                *(("--manifest=manifest.json",) if manifests != EMPTY_DIGEST else ()),
                *(("--helm",) if field_set.helm.value else ()),
                *((f"--repository={repository}",) if repository else ()),
            ),
            description=f"Package {field_set.address}",
            input_digest=input_digest,
        ),
    )
    return AgentFiles(output.digest)


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *collect_rules(),
        UnionRule(PackageFieldSet, AgentFlowPackageFieldSet),
    )
