"""`publish` of an `agent_flow`: its image, to registries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.goals.package import OutputPathField
from pants.core.goals.publish import (
    PublishFieldSet,
    PublishOutputData,
    PublishPackages,
    PublishProcesses,
    PublishRequest,
)
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest, MergeDigests
from pants.engine.process import InteractiveProcess, Process
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.option.global_options import GlobalOptions

from irc_pants.subsystem import Irc
from irc_pants.target_types import (
    AgentFlowImageRepositoriesField,
    AgentFlowImageTagsField,
    AgentFlowSkipPublishField,
    AgentFlowSourceField,
)
from irc_pants.util_rules.irc_process import IrcCommandLine, IrcTool

DIGEST_FILE = "published.json"
"""Beside the package, what was published."""


class PublishAgentFlowRequest(PublishRequest):
    pass


@dataclass(frozen=True)
class PublishAgentFlowFieldSet(PublishFieldSet):
    publish_request_type = PublishAgentFlowRequest
    required_fields = (AgentFlowSourceField, AgentFlowImageRepositoriesField)

    repositories: AgentFlowImageRepositoriesField
    tags: AgentFlowImageTagsField
    skip: AgentFlowSkipPublishField
    output_path: OutputPathField

    def get_output_data(self) -> PublishOutputData:
        return PublishOutputData(
            {
                "publisher": "irc",
                "repositories": self.repositories.value or (),
                **super().get_output_data(),
            }
        )
