"""Overlays: what differs in one environment, as ``staging``, in the words of ``deployment.kserve``."""

import json
from collections.abc import Mapping
from typing import Any

from irc.diagnostics import Diagnostics
from irc.ir.model import Deployment
from irc.oci.errors import ImageError
from irc.passes.secrets import check_credentials, masked_lines
from irc.passes.shape import validate
from irc.passes.target import check_deployment
from irc.passes.variables import check_variables
from irc.reading import parse
from irc.render.text import render_text
from irc.source import SourceFile

#: Parts of what a resource is, which Kustomize has no way to take from one.
_OF_THE_RESOURCE = ("namespace", "service_name")

#: Keys of which an overlay names only the items that it changes.
_MERGED = ("annotations", "env", "labels", "resources", "secrets")


def overlaid(kserve: Mapping[str, Any], name: str, overlay: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment in one environment.

    Args:
        kserve: ``deployment.kserve`` of the agent's summary.
        name: the overlay's.
        overlay: keys that differ; of the environment, labels and their like, the items that do.
    Raises:
        ImageError: a key or a value is none that a flow could have; the message shows it.
    """
    for key in _OF_THE_RESOURCE:
        if overlay.get(key, "") is None:
            raise ImageError(f"the overlay '{name}' has no {key}: leave it out, or name another")
    merged = {**kserve, **overlay}
    for key in _MERGED:
        if isinstance(overlay.get(key), Mapping):
            merged[key] = {**(kserve.get(key) or {}), **overlay[key]}
    for key, other in (("env", "secrets"), ("secrets", "env")):
        own, others = overlay.get(key) or {}, overlay.get(other) or {}
        if isinstance(own, Mapping) and isinstance(merged.get(other), Mapping):  # it has moved
            merged[other] = {
                variable: value
                for variable, value in merged[other].items()
                if variable not in own or variable in others
            }
    said = {key: value for key, value in merged.items() if value is not None}
    text = json.dumps({"deployment": {"kserve": said}}, indent=2)
    source = SourceFile(f"<deployment with the overlay '{name}'>", text)
    report = Diagnostics()
    document = parse(source, report)
    assert document is not None  # it is JSON
    data = document.data["deployment"]
    deployment = validate(document, Deployment, data, ("deployment",), report)
    if deployment is not None:
        check_deployment(document, deployment, kserve["service_name"], report)
        check_variables(document, deployment, report)
    check_credentials(source, report)
    if report.has_errors:
        lines = {source.name: masked_lines(source)}
        raise ImageError(f"\n{render_text(report, lines)}")
    return merged
