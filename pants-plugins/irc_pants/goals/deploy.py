"""`experimental-deploy` of an `agent_flow`: its image is published, then its manifest applied."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.goals.deploy import DeployFieldSet, DeployProcess
from pants.core.goals.package import BuiltPackage, OutputPathField, PackageFieldSet
from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPaths, SearchPath
from pants.engine.addresses import Addresses
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest, DigestSubset, PathGlobs
from pants.engine.process import InteractiveProcess, Process
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import Targets
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.goals.package import AgentFlowPackageFieldSet
from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowImageRepositoriesField, AgentFlowSourceField

MANIFEST = "inferenceservice.yaml"


@dataclass(frozen=True)
class DeployAgentFlowFieldSet(DeployFieldSet):
    required_fields = (AgentFlowSourceField,)

    source: AgentFlowSourceField
    repositories: AgentFlowImageRepositoriesField
    output_path: OutputPathField


@rule(desc="Set up the deployment of an agent", level=LogLevel.DEBUG)
async def deploy_agent_flow(field_set: DeployAgentFlowFieldSet, irc: Irc) -> DeployProcess:
    references = await Get(FlowReferences, FlowReferencesRequest(field_set.source))
    if references.target != "kserve":
        return _skipped(field_set, f"`{references.target}` is no deployment target of a cluster")
    if not field_set.repositories.value:
        return _skipped(
            field_set,
            f"no `{field_set.repositories.alias}` on {field_set.address} to take the image from",
        )
    (target,) = await Get(Targets, Addresses([field_set.address]))
    package, environment = await MultiGet(
        Get(BuiltPackage, PackageFieldSet, AgentFlowPackageFieldSet.create(target)),
        Get(EnvironmentVars, EnvironmentVarsRequest(irc.deploy_env_vars)),
    )
    manifest = f"{field_set.output_path.value_or_default(file_ending=None)}/{MANIFEST}"
    request = BinaryPathRequest(
        binary_name="kubectl",
        search_path=SearchPath(environment.get("PATH", "").split(os.pathsep)),
    )
    input_digest, found = await MultiGet(
        Get(Digest, DigestSubset(package.digest, PathGlobs([manifest]))),
        Get(BinaryPaths, BinaryPathRequest, request),
    )
    kubectl = found.first_path_or_raise(request, rationale="apply manifests")
    process = Process(
        (kubectl.path, "apply", "-f", manifest, *irc.kubectl_args),
        input_digest=input_digest,
        env=environment,
        description=f"Deploy {field_set.address}",
    )
    return DeployProcess(
        name=field_set.address.spec,
        publish_dependencies=(target,),
        process=InteractiveProcess.from_process(process),
    )


def _skipped(field_set: DeployAgentFlowFieldSet, reason: str) -> DeployProcess:
    return DeployProcess(name=field_set.address.spec, process=None, description=f"({reason})")


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), UnionRule(DeployFieldSet, DeployAgentFlowFieldSet))
