"""`publish` of an `agent_flow`: its image, to registries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.util_rules.pex import VenvPexProcess
from pants.base.build_root import BuildRoot
from pants.core.goals.package import OutputPathField
from pants.core.goals.publish import (
    PublishFieldSet,
    PublishOutputData,
    PublishPackages,
    PublishProcesses,
    PublishRequest,
)
from pants.core.util_rules.distdir import DistDir
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest, MergeDigests
from pants.engine.process import InteractiveProcess, Process
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.vcs.git import GitWorktreeRequest, MaybeGitWorktree

from irc_pants.flow_references import FlowReferences, FlowReferencesRequest
from irc_pants.subsystem import Irc
from irc_pants.target_types import (
    AgentFlowImageRepositoriesField,
    AgentFlowImageTagsField,
    AgentFlowSkipPublishField,
    AgentFlowSourceField,
)
from irc_pants.util_rules.irc_process import IrcCommand, IrcTool

DIGEST_FILE = "published.json"
"""Beside the package, what was published."""


class PublishAgentFlowRequest(PublishRequest["PublishAgentFlowFieldSet"]):
    pass


@dataclass(frozen=True)
class PublishAgentFlowFieldSet(PublishFieldSet[PublishAgentFlowRequest]):
    publish_request_type = PublishAgentFlowRequest
    required_fields = (AgentFlowSourceField, AgentFlowImageRepositoriesField)

    source: AgentFlowSourceField
    repositories: AgentFlowImageRepositoriesField
    tags: AgentFlowImageTagsField
    skip: AgentFlowSkipPublishField
    output_path: OutputPathField

    def get_output_data(self) -> PublishOutputData:
        return PublishOutputData({"publisher": "irc", **super().get_output_data()})


@rule
async def publish_agent_flow(
    request: PublishAgentFlowRequest, irc: Irc, dist_dir: DistDir, build_root: BuildRoot
) -> PublishProcesses:
    field_set = request.field_set
    address, repositories = field_set.address, irc.image_repositories(field_set.repositories)
    references = await Get(FlowReferences, FlowReferencesRequest(field_set.source))
    if references.target == "lambda":
        return _skipped(address, "(a Lambda function is no image)")
    if field_set.skip.value:
        return _skipped(address, f"(by `{field_set.skip.alias}` on {address})")
    if not repositories:
        return _skipped(address, f"(no `{field_set.repositories.alias}` on {address})")
    tool, worktree, environment, packages = await MultiGet(
        Get(IrcTool, IrcCommand("publish")),
        Get(MaybeGitWorktree, GitWorktreeRequest()),
        Get(EnvironmentVars, EnvironmentVarsRequest(irc.publish_env_vars)),
        Get(Digest, MergeDigests(package.digest for package in request.packages)),
    )
    tags = irc.image_tags if field_set.tags.value is None else field_set.tags.value
    folder = field_set.output_path.value_or_default(file_ending=None)
    written = build_root.pathlib_path / dist_dir.relpath / folder / DIGEST_FILE
    git_tree = worktree.git_worktree
    process = await Get(
        Process,
        VenvPexProcess(
            tool.requirements,
            argv=(
                "publish",
                folder,
                *(f"--repository={repository}" for repository in repositories),
                *(f"--tag={tag}" for tag in tags),
                *((f"--git-sha={git_tree.commit_id}",) if git_tree is not None else ()),
                *(("--sign",) if irc.sign else ()),
                *(f"--cosign-arg={argument}" for argument in irc.cosign_args if irc.sign),
                f"--digest-file={written}",
            ),
            input_digest=await Get(Digest, MergeDigests((tool.sources, packages))),
            extra_env={**environment, "PEX_EXTRA_SYS_PATH": ":".join(tool.source_roots)},
            description=f"Publish {address}",
        ),
    )
    return PublishProcesses(
        [PublishPackages((address.spec,), InteractiveProcess.from_process(process))]
    )


def _skipped(address: Address, reason: str) -> PublishProcesses:
    return PublishProcesses([PublishPackages((address.spec,), description=reason)])


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *PublishAgentFlowFieldSet.rules())
