"""What Pants loads for the backend `irc_pants`."""

from __future__ import annotations

from collections.abc import Iterable

from pants.engine.rules import Rule
from pants.engine.target import Target
from pants.engine.unions import UnionRule

from irc_pants import codegen, compiler_target, dependency_inference, flow_references
from irc_pants.base_image_target import OciBaseImageTarget
from irc_pants.compiler_target import CompilerTarget
from irc_pants.generator_target import AgentFlowsGeneratorTarget
from irc_pants.goals import check, deploy, fmt, lint, lock, package, publish, run, tailor, test
from irc_pants.target_types import AgentFlowTarget
from irc_pants.util_rules import (
    agent_code,
    agent_pex,
    agent_tests,
    base_image,
    bill_of_materials,
    carried_flows,
    checked_flow,
    code_layer,
    compile_flow,
    compile_flows,
    foreign_requirements,
    image_below,
    image_layers,
    irc_process,
    manifests,
    registry_image,
)


def rules() -> Iterable[Rule | UnionRule]:
    return (
        *flow_references.rules(),
        *compiler_target.rules(),
        *dependency_inference.rules(),
        *irc_process.rules(),
        *carried_flows.rules(),
        *checked_flow.rules(),
        *compile_flow.rules(),
        *compile_flows.rules(),
        *codegen.rules(),
        *base_image.rules(),
        *foreign_requirements.rules(),
        *image_below.rules(),
        *image_layers.rules(),
        *code_layer.rules(),
        *bill_of_materials.rules(),
        *agent_code.rules(),
        *agent_pex.rules(),
        *agent_tests.rules(),
        *manifests.rules(),
        *registry_image.rules(),
        *check.rules(),
        *deploy.rules(),
        *fmt.rules(),
        *lint.rules(),
        *lock.rules(),
        *package.rules(),
        *publish.rules(),
        *run.rules(),
        *tailor.rules(),
        *test.rules(),
    )


def target_types() -> Iterable[type[Target]]:
    return (AgentFlowTarget, AgentFlowsGeneratorTarget, CompilerTarget, OciBaseImageTarget)
