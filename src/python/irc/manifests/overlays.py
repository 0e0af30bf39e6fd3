"""Overlays: what differs in one environment, as ``staging``, in the words of ``deployment.kserve``."""

import json
from collections.abc import Mapping
from typing import Any

from irc.diagnostics import Diagnostics
from irc.ir.model import Deployment
from irc.oci.errors import ImageError
from irc.passes.shape import validate
from irc.passes.target import check_deployment
from irc.reading import parse
from irc.render.text import render_text
from irc.source import SourceFile

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
    merged = {**kserve, **overlay}
    for key in _MERGED:
        if isinstance(overlay.get(key), Mapping):
            merged[key] = {**(kserve.get(key) or {}), **overlay[key]}
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
    if report.has_errors:
        raise ImageError(f"\n{render_text(report, {source.name: source.lines})}")
    return merged
