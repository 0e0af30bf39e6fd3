"""State: keys that fit their scope, and state that cannot be what is meant."""

from __future__ import annotations

import string

from irc.diagnostics import Diagnostics, did_you_mean
from irc.expression_rewriting import BUILT_IN_FIELDS
from irc.ir.graph import Graph
from irc.ir.model import Node, State
from irc.source import Document, Path

SCOPE_FIELDS = frozenset({"session_id", "user_id"})


def check_state(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Check each node's state by itself.

    Reports:
        E308 keys, E501 session state in Hopsworks.
    """
    for name, node in graph.flow.nodes.items():
        if node.state is None:
            continue
        _check_key(document, graph, name, node.state, report)
        if (node.state.scope, node.state.backend) == ("session", "hopsworks"):
            report.error(
                "E501", document.span(("nodes", name, "state", "backend")),
                "session state in Hopsworks",
                hint="use 'redis': a feature store has no locks, and does not read at once what was written",
            )  # fmt: skip


def check_state_use(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Look at state whose keys are right: at each node's, and at that of equal keys.

    Reports:
        W308 settings that request state ignores, W309 equal keys kept differently, W310 state of an
        operation, W315 keys that requests need not hold.
    """
    context = graph.flow.context
    declared = {*context.requires, *context.optional}
    first: dict[str, str] = {}
    for name, node in graph.flow.nodes.items():
        if node.state is None:
            continue
        _check_settings(document, name, node.state, report)
        if node.prompt is None and node.transform is not None and node.transform.mode != "code":
            report.warning(
                "W310", document.key_span(("nodes", name, "state")),
                f"'{name}' is an operation, which neither reads nor writes state",
                hint="remove 'state'; its one effect is that requests wait for each other here",
            )  # fmt: skip
        key = node.state.key or name
        fields = {str(part[1]) for part in string.Formatter().parse(key)}
        for field in sorted({_plain(x) for x in fields - _inputs(node)} & SCOPE_FIELDS - declared):
            report.warning(
                "W315", document.span(("nodes", name, "state", "key")),
                f"the state key reads '{field}', which requests need not hold",
                hint=f"add '{field}' to context.requires",
            )  # fmt: skip
        if node.state.scope == "session" and not fields & _inputs(node):  # whose values are unknown
            other = first.setdefault(key.replace("{context.", "{"), name)
            if other != name:
                _check_shared(document, graph, other, name, report)


def _check_key(
    document: Document, graph: Graph, name: str, state: State, report: Diagnostics
) -> None:
    at: Path = ("nodes", name, "state")
    path: Path = (*at, "key")
    span = document.span(path)
    declared = {*graph.flow.context.requires, *graph.flow.context.optional}
    inputs = _inputs(graph.flow.nodes[name])
    try:
        parts = [
            part for part in string.Formatter().parse(state.key or name) if part[1] is not None
        ]
    except ValueError as error:
        report.error("E308", span, f"the state key cannot be read: {error}")
        return
    fields = [str(part[1]) for part in parts]
    for _, field, spec, conversion in parts:
        if spec or conversion:
            report.error(
                "E308", span, f"the state key formats '{field}'", hint="only its value is used"
            )
    known = {
        *SCOPE_FIELDS,
        *(f"context.{field}" for field in (*declared, *BUILT_IN_FIELDS)),
        *inputs,
    }
    for field in fields:
        if field not in known:
            report.error(
                "E308", span, f"the state key reads '{field}', which is neither an input nor of the context",
                hint=did_you_mean(field, known)
                or "write {session_id}, {user_id}, {context.<field>} or an input",
            )  # fmt: skip
    if state.scope == "session" and not SCOPE_FIELDS & {_plain(field) for field in fields}:
        report.error(
            "E308", document.key_span(path) if state.key else document.key_span(at),
            "the key of session state must hold {session_id} or {user_id}, or sessions share it",
            hint=f'key: "{name}:{{session_id}}"',
        )  # fmt: skip


def _check_settings(document: Document, name: str, state: State, report: Diagnostics) -> None:
    if state.scope != "request":
        return
    useless = {
        "ttl_seconds": state.ttl_seconds is not None,
        "backend": state.backend != "memory",
    }
    for key, is_given in useless.items():
        if is_given:
            report.warning(
                "W308", document.key_span(("nodes", name, "state", key)),
                f"'{key}' has no effect: the state of a request is in memory and ends with it",
                hint=f"remove '{key}', or use scope: session",
            )  # fmt: skip


def _check_shared(
    document: Document, graph: Graph, first: str, second: str, report: Diagnostics
) -> None:
    """Compare two nodes with session state of the same key."""
    one, other = graph.flow.nodes[first].state, graph.flow.nodes[second].state
    assert one is not None
    assert other is not None
    related = [(document.key_span(("nodes", first, "state")), f"the state of '{first}'")]
    span = document.key_span(("nodes", second, "state"))
    if one.backend != other.backend:
        report.warning(
            "W309", span,
            f"'{second}' keeps its state in {other.backend} and '{first}' in {one.backend}: "
            "their keys are equal, but they share nothing",
            related=related, hint="give them the same 'backend', or keys of their own",
        )  # fmt: skip
    elif one.ttl_seconds != other.ttl_seconds:
        report.warning(
            "W309", span,
            f"'{second}' keeps its state {_time(other)} and '{first}' {_time(one)}: "
            "their keys are equal, and whichever writes last decides for both",
            related=related, hint="give them the same 'ttl_seconds', or keys of their own",
        )  # fmt: skip


def _time(state: State) -> str:
    return "for ever" if state.ttl_seconds is None else f"for {state.ttl_seconds:g} s"


def _inputs(node: Node) -> set[str]:
    return {port.name for port in node.inputs}


def _plain(field: str) -> str:
    """``context.session_id`` is ``session_id``."""
    return field.removeprefix("context.")
