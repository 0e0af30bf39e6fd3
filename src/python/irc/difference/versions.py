"""A version of a flow: its values with all defaults filled in, and the files that it refers to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irc.diagnostics import Diagnostics, Span
from irc.ir.model import Flow
from irc.passes.secrets import masked_lines
from irc.passes.shape import shape
from irc.reading import decode, parse


@dataclass
class Version:
    """One of the two flows.

    Attributes:
        report: what is wrong with its text or its shape.
        sources: lines that findings point into.
        flow: None where something is.
        contents: texts of files that nodes refer to, by the name that the flow gives them; those
            that are beside the flow's file.
    """

    name: str
    report: Diagnostics = field(default_factory=Diagnostics)
    sources: dict[str, list[str]] = field(default_factory=dict)
    flow: Flow | None = None
    contents: dict[str, str] = field(default_factory=dict)


def read_version(name: str) -> Version:
    """Read a flow up to its shape; what it means as a whole does not matter for a comparison.

    Reports:
        E101 to E107, E201 to E203.
    """
    version = Version(name)
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        version.report.error("E107", Span(name, 1, 1, 1, 1), message)
        return version
    source = decode(name, content, version.report)
    if source is None:
        return version
    version.sources[name] = masked_lines(source)
    document = parse(source, version.report)
    version.flow = None if document is None else shape(document, version.report)
    if version.flow is not None:
        for file in _files(version.flow):
            try:
                version.contents[file] = Path(name).parent.joinpath(file).read_text("utf-8")
            except (OSError, ValueError):
                continue  # as for a flow that comes through a pipe
    return version


def _files(flow: Flow) -> list[str]:
    """The files of templates and code."""
    found = []
    for node in flow.nodes.values():
        values: list[Any] = [node.transform.spec] if node.transform else []
        if node.prompt is not None:
            values += [node.prompt.template, node.prompt.system]
        for value in values:
            name = value.get("file") if isinstance(value, dict) else getattr(value, "file", None)
            if isinstance(name, str):
                found.append(name)
    return found
