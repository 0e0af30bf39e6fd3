"""Edges whose condition is decided before the flow runs."""

from __future__ import annotations

from collections.abc import Mapping

from irc.diagnostics import Diagnostics
from irc.emit.edges import EdgeCode
from irc.folding import UNKNOWN, folded
from irc.source import Document


def check_branches(document: Document, edges: Mapping[int, EdgeCode], report: Diagnostics) -> None:
    """Report W306 for each condition that is always true or always false."""
    for index, code in edges.items():
        if code.condition is None:
            continue
        value = folded(code.condition.tree)
        if value is UNKNOWN:
            continue
        report.warning(
            "W306", document.span(("edges", index, "condition")),
            f"this condition is always {'true' if value else 'false'}"
            + ("" if value else ", so that the edge never delivers"),
            hint="take out the condition" if value else "take out the edge, or mend the condition",
        )  # fmt: skip
