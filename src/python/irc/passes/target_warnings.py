"""What of a flow its target has no use for, or takes otherwise than it may seem."""

from __future__ import annotations

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph
from irc.passes.target import AT
from irc.source import Document

_OF_A_CLUSTER = (
    "annotations",
    "canary_traffic_percent",
    "labels",
    "max_replicas",
    "min_replicas",
    "namespace",
    "service_account",
    "target_rps",
)

# KServe takes these away again, and writes what the named keys say.
_OVERWRITTEN = {
    "autoscaling.knative.dev/min-scale": "min_replicas",
    "autoscaling.knative.dev/max-scale": "max_replicas",
}


def warn_of_target(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Report W502 for keys of the deployment, W503 for state of nodes."""
    _warn_of_unused_settings(document, graph, report)
    if graph.flow.deployment.target == "lambda":
        _warn_of_state_in_memory(document, graph, report)


def _warn_of_unused_settings(document: Document, graph: Graph, report: Diagnostics) -> None:
    deployment = graph.flow.deployment
    kserve = deployment.kserve
    if deployment.target == "kserve":
        for name in kserve.annotations:
            if name in _OVERWRITTEN:
                report.warning(
                    "W502", document.key_span((*AT, "annotations", name)),
                    f"KServe takes the annotation '{name}' away",
                    hint=f"use '{_OVERWRITTEN[name]}'",
                )  # fmt: skip
        return
    unused = [(*AT, key) for key in _OF_A_CLUSTER if key in kserve.model_fields_set]
    resources = ("gpu",) if deployment.target == "local" else ("cpu", "gpu")
    unused += [
        (*AT, "resources", key) for key in resources if key in kserve.resources.model_fields_set
    ]
    for path in unused:
        report.warning(
            "W502", document.key_span(path),
            f"'{path[-1]}' has no effect with the target '{deployment.target}'",
            hint="memory decides the share of a processor" if path[-1] == "cpu" else None,
        )  # fmt: skip


def _warn_of_state_in_memory(document: Document, graph: Graph, report: Diagnostics) -> None:
    for name, node in graph.flow.nodes.items():
        state = node.state
        if state is not None and (state.scope, state.backend) == ("session", "memory"):
            report.warning(
                "W503", document.key_span(("nodes", name, "state")),
                f"'{name}' keeps state of sessions in memory, of which each container of a function"
                " has its own",
                related=[(document.span(("deployment", "target")), "the target is 'lambda'")],
                hint="use the backend 'redis'",
            )  # fmt: skip
