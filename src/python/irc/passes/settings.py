"""Settings of nodes that do harm, or nothing."""

from __future__ import annotations

from typing import Any

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph
from irc.ir.model import Node
from irc.ops.registry import operation_of
from irc.passes.analyse import Analysis
from irc.passes.liveness import is_effectful
from irc.source import Document, Path

IDEMPOTENCY_HEADER = "idempotency-key"
"""What services take to tell a repeated request from a new one (draft-ietf-httpapi-idempotency-key-header)."""


def check_settings(
    document: Document, graph: Graph, analysis: Analysis, report: Diagnostics
) -> None:
    """Check how often running nodes are tried, and for how long.

    Reports:
        W311 several attempts at what may take effect each time, W312 a cache in front of an effect,
        W313 a request that may take longer than its node, W314 a pause that nothing waits for.
    """
    for name in analysis.running:
        node = graph.flow.nodes[name]
        path: Path = ("nodes", name, "runtime")
        arguments = _arguments(node)
        _check_attempts(document, name, node, path, arguments, report)
        if node.runtime.cache is not None and is_effectful(graph, name):
            report.warning(
                "W312", document.key_span((*path, "cache")),
                f"'{name}' has an effect, which does not happen where the cache has an answer",
                hint="take out the cache",
            )  # fmt: skip
        timeout_ms = arguments.get("timeout_ms")
        if isinstance(timeout_ms, int) and timeout_ms > node.runtime.timeout_ms:
            report.warning(
                "W313", document.span(("nodes", name, "transform", "spec", "args", "timeout_ms")),
                f"the request may take {timeout_ms} ms, but '{name}' ends after {node.runtime.timeout_ms} ms",
                related=[(document.span((*path, "timeout_ms")), "the node's own")]
                if "timeout_ms" in node.runtime.model_fields_set else [],
                hint="raise runtime.timeout_ms, or take out this one",
            )  # fmt: skip


def _check_attempts(
    document: Document,
    name: str,
    node: Node,
    path: Path,
    arguments: dict[str, Any],
    report: Diagnostics,
) -> None:
    runtime = node.runtime
    if runtime.retries == 1:
        if "retry_backoff_ms" in runtime.model_fields_set:
            report.warning(
                "W314", document.key_span((*path, "retry_backoff_ms")),
                f"'{name}' is tried once, so that it never pauses before another attempt",
                hint="'retries' is the number of attempts: set it to 2 or more",
            )  # fmt: skip
        return
    operation = operation_of(node)
    if operation is None or not operation.effectful or operation.idempotent:
        return
    headers = arguments.get("headers")
    if isinstance(headers, dict) and IDEMPOTENCY_HEADER in {str(key).lower() for key in headers}:
        return
    report.warning(
        "W311", document.span((*path, "retries")),
        f"'{name}' is tried {runtime.retries} times, and '{operation.name}' may take effect each time",
        hint="send an Idempotency-Key header that the service knows, or leave 'retries' at 1"
        if "headers" in operation.arguments.model_fields else "leave 'retries' at 1",
    )  # fmt: skip


def _arguments(node: Node) -> dict[str, Any]:
    """The arguments of an operation; empty for other nodes."""
    if operation_of(node) is None or node.transform is None:
        return {}
    arguments: dict[str, Any] = node.transform.spec.get("args", {})
    return arguments
