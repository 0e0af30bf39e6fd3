"""What tests of an agent use: whole requests and single nodes in virtual time, and checks of nodes.

Generated tests import from here alone; tests written by hand can do the same.
"""

from irc_runtime.flow_checks import (
    BranchFacts,
    check_branch,
    check_deadline,
    check_order,
    check_unhandled,
)
from irc_runtime.node_checks import (
    check_attempts,
    check_cache,
    check_concurrency,
    check_defaults,
    check_fallback,
    check_invalid_inputs,
    check_invalid_outputs,
    check_missing_context,
    check_missing_row,
    check_no_second_attempt,
    check_own_work,
    check_state,
    check_timeout,
)
from irc_runtime.node_facts import NodeFacts, StateFacts
from irc_runtime.runs import CaseResult, NodeResult, run_case, run_node
from irc_runtime.stubs import UnmockedEdgeError

__all__ = [
    "BranchFacts",
    "CaseResult",
    "NodeFacts",
    "NodeResult",
    "StateFacts",
    "UnmockedEdgeError",
    "check_attempts",
    "check_branch",
    "check_cache",
    "check_concurrency",
    "check_deadline",
    "check_defaults",
    "check_fallback",
    "check_invalid_inputs",
    "check_invalid_outputs",
    "check_missing_context",
    "check_missing_row",
    "check_no_second_attempt",
    "check_order",
    "check_own_work",
    "check_state",
    "check_timeout",
    "check_unhandled",
    "run_case",
    "run_node",
]
