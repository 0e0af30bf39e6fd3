"""`fmt` of an `agent_flow`: the layout that `irc fmt` gives it; `lint` says what that would change."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.util_rules.partitions import Partitions
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.target import FieldSet
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel
from pants.util.meta import classproperty
from pants.util.strutil import pluralize

from irc_pants.subsystem import Irc
from irc_pants.target_types import AgentFlowSourceField
from irc_pants.util_rules.irc_process import IrcProcess

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AgentFlowFmtFieldSet(FieldSet):
    required_fields = (AgentFlowSourceField,)

    source: AgentFlowSourceField


class AgentFlowFmtRequest(FmtTargetsRequest):
    field_set_type = AgentFlowFmtFieldSet
    # The protocol wants the type of the option, which at run time is its value.
    tool_subsystem = Irc  # type: ignore[assignment]

    @classproperty
    def tool_name(cls) -> str:
        return "irc fmt"

    @classproperty
    def tool_id(cls) -> str:
        return "irc-fmt"


@rule
async def partition_flows_to_format(
    request: AgentFlowFmtRequest.PartitionRequest[AgentFlowFmtFieldSet], irc: Irc
) -> Partitions[str, Any]:
    if irc.skip or irc.fmt_skip:
        return Partitions()
    return Partitions.single_partition(
        field_set.source.file_path for field_set in request.field_sets
    )


@rule(desc="Format agent flows", level=LogLevel.DEBUG)
async def format_agent_flows(request: AgentFlowFmtRequest.Batch) -> FmtResult:
    result = await Get(
        FallibleProcessResult,
        IrcProcess(
            ("fmt", *request.files),
            input_digest=request.snapshot.digest,
            output_files=request.files,
            description=f"Format {pluralize(len(request.files), 'flow')}",
        ),
    )
    if result.exit_code != 0:
        # Such a flow is left as it is; the others are laid out.
        logger.warning((result.stderr or result.stdout).decode().strip())
    return await FmtResult.create(request, result)


def rules() -> Iterable[Rule | UnionRule]:
    return (*collect_rules(), *AgentFlowFmtRequest.rules())
