"""The target pass: what of a valid flow this version of irc cannot deploy."""

from __future__ import annotations

import re
import string

from irc.diagnostics import Diagnostics, did_you_mean
from irc.expressions import BUILT_IN_FIELDS
from irc.ir.graph import Graph
from irc.source import Document, Path

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_target(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Check state keys and the deployment.

    Reports:
        E308 state keys, E203 names that Kubernetes does not take, E501 what is not supported yet.
    """
    for name in graph.flow.nodes:
        _check_state(document, graph, name, report)
    deployment = graph.flow.deployment
    kserve = deployment.kserve
    at: Path = ("deployment", "kserve")
    for key in ("namespace", "service_name"):
        value = getattr(kserve, key)
        if value is not None and not _DNS_LABEL.match(value):
            report.error(
                "E203", document.span((*at, key)), f"'{value}' is not a DNS label",
                hint="lower case letters, digits and '-', at most 63, starting with a letter",
            )  # fmt: skip
    for key in ("env", "secrets"):
        for name in getattr(kserve, key):
            if not _ENVIRONMENT_NAME.match(name):
                report.error(
                    "E203",
                    document.key_span((*at, key, name)),
                    f"'{name}' is no environment variable",
                )
    least, most = kserve.min_replicas, kserve.max_replicas
    if least is not None and most is not None and least > most:
        report.error(
            "E203", document.span((*at, "min_replicas")),
            f"min_replicas {least} is above max_replicas {most}",
        )  # fmt: skip


def _check_state(document: Document, graph: Graph, name: str, report: Diagnostics) -> None:
    node = graph.flow.nodes[name]
    state = node.state
    if state is None:
        return
    at: Path = ("nodes", name, "state")
    if state.backend != "memory":
        report.error(
            "E501", document.span((*at, "backend")), f"the state backend '{state.backend}'",
            hint="use 'memory'",
        )  # fmt: skip
    declared = {*graph.flow.context.requires, *graph.flow.context.optional}
    inputs = {port.name for port in node.inputs}
    path: Path = (*at, "key")
    span = document.span(path)
    try:
        parts = [
            part for part in string.Formatter().parse(state.key or name) if part[1] is not None
        ]
    except ValueError as error:
        report.error("E308", span, f"the state key cannot be read: {error}")
        return
    fields = [str(part[1]) for part in parts]
    for field, spec, conversion in ((part[1], part[2], part[3]) for part in parts):
        if spec or conversion:
            report.error(
                "E308", span, f"the state key formats '{field}'", hint="only its value is used"
            )
    for field in fields:
        known = {
            "session_id",
            "user_id",
            *(f"context.{f}" for f in (*declared, *BUILT_IN_FIELDS)),
            *inputs,
        }
        if field not in known:
            report.error(
                "E308", span, f"the state key reads '{field}', which is neither an input nor of the context",
                hint=did_you_mean(field, known)
                or "write {session_id}, {user_id}, {context.<field>} or an input",
            )  # fmt: skip
    scope = {"session_id", "user_id", "context.session_id", "context.user_id"}
    if state.scope == "session" and not scope & set(fields):
        report.error(
            "E308", document.key_span(path) if state.key else document.key_span(at),
            "the key of session state must hold {session_id} or {user_id}, or sessions share it",
            hint=f'key: "{name}:{{session_id}}"',
        )  # fmt: skip
        return
    for field in fields:
        plain = field.removeprefix("context.")
        if plain in {"session_id", "user_id"} and field not in inputs and plain not in declared:
            report.error(
                "E308", span, f"the state key reads '{field}', which requests need not hold",
                hint=f"add '{plain}' to context.requires",
            )  # fmt: skip
