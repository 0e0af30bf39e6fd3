"""The target pass: what of a valid flow this version of irc cannot deploy."""

from __future__ import annotations

import re

from irc.diagnostics import Diagnostics
from irc.ir.graph import Graph
from irc.source import Document, Path

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_target(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Check the deployment.

    Reports:
        E203 names that Kubernetes does not take, E501 what is not supported yet.
    """
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
