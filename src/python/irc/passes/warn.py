"""Warnings: what of a valid flow does nothing, or does harm."""

from __future__ import annotations

from collections.abc import Mapping

from irc.diagnostics import Diagnostics
from irc.emit.edges import EdgeCode
from irc.ir.graph import Graph
from irc.ir.lowered import Facts
from irc.passes.analyse import Analysis
from irc.passes.branches import check_branches
from irc.passes.hosts import check_hosts
from irc.passes.settings import check_settings
from irc.passes.state import check_state_use
from irc.passes.target_warnings import warn_of_target
from irc.passes.unread import check_unread
from irc.passes.unread_ports import check_unread_ports
from irc.passes.variables import warn_of_variables
from irc.source import Document


def warn(
    document: Document,
    graph: Graph,
    analysis: Analysis,
    nodes: Mapping[str, Facts],
    edges: Mapping[int, EdgeCode],
    report: Diagnostics,
) -> None:
    """Look at a flow without errors as a careful colleague would.

    Every warning is certain: what may be meant is not told.
    """
    check_unread(document, graph, nodes, edges, report)
    check_unread_ports(document, graph, analysis, nodes, report)
    check_branches(document, edges, report)
    check_hosts(document, graph, analysis, edges, report)
    check_settings(document, graph, analysis, report)
    check_state_use(document, graph, report)
    warn_of_variables(document, graph, nodes, report)
    warn_of_target(document, graph, report)
