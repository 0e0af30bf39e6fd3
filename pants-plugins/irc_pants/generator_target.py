"""The target `agent_flows`: an `agent_flow` for each flow that a glob finds."""

from __future__ import annotations

from collections.abc import Sequence

from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    MultipleSourcesField,
    OverridesField,
    TargetFilesGenerator,
    generate_file_based_overrides_field_help_message,
    generate_multiple_sources_field_help_message,
)
from pants.util.strutil import help_text

from irc_pants.target_types import (
    AgentFlowOutputPathField,
    AgentFlowSourceField,
    AgentFlowTarget,
    validate_flow_names,
)

# A path for all of them would be one package over another.
_OWN_FIELDS = (*COMMON_TARGET_FIELDS, AgentFlowSourceField, AgentFlowOutputPathField)


class AgentFlowsSourcesField(MultipleSourcesField):
    default = tuple(
        f"{name}flow.{extension}" for name in ("", "*.") for extension in ("yaml", "yml", "json")
    )
    help = generate_multiple_sources_field_help_message(
        "Example: `sources=['flow.yaml', '*.flow.yaml', '!draft.flow.yaml']`"
    )

    def validate_resolved_files(self, files: Sequence[str]) -> None:
        super().validate_resolved_files(files)
        validate_flow_names(self, files)


class AgentFlowsOverridesField(OverridesField):
    help = generate_file_based_overrides_field_help_message(
        AgentFlowTarget.alias,
        """
        overrides={
            "support.flow.yaml": {"image_repositories": ["agents/support"]},
            ("churn.flow.yaml", "recommend.flow.yaml"): {"layout": "zipapp"},
        }
        """,
    )


class AgentFlowsGeneratorTarget(TargetFilesGenerator):
    alias = "agent_flows"
    core_fields = (*COMMON_TARGET_FIELDS, AgentFlowsSourcesField, AgentFlowsOverridesField)
    generated_target_cls = AgentFlowTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = tuple(field for field in AgentFlowTarget.core_fields if field not in _OWN_FIELDS)
    help = help_text(
        f"""
        Generate an `{AgentFlowTarget.alias}` target for each flow in the `sources` field.

        Each has the address `folder/support.flow.yaml`, or `folder/support.flow.yaml:name` where
        this target has a name.
        """
    )
