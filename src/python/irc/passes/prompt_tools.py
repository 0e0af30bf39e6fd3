"""Tools of a prompt as code: what the model is told of them, and what their nodes get."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from irc.emit.code import Code, Items, call, literal, mapped, quoted, strings
from irc.ir.model import FileText, Prompt, Tool
from irc.passes.schemas import read_schema
from irc.passes.tools import argument_names
from irc.source import Path

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""What all providers take as the name of a tool."""


def lower_tools(lowering: Lowering, prompt: Prompt, path: Path) -> Code | None:
    """The tools as a tuple, empty text where there are none; None where one is wrong.

    Reports:
        E411 names, E206 and E410 parameters, E313 a description's file.
    """
    tools: list[Code] = []
    first: dict[str, Path] = {}
    fine = True
    for index, tool in enumerate(prompt.tools):
        place = (*path, "tools", index)
        fine = _check_name(lowering, tool, place, first) and fine
        code = _tool(lowering, tool, place)
        fine = fine and code is not None
        if code is not None:
            tools.append(code)
    if not fine:
        return None
    return Items(tuple(tools), "()") if tools else ""


def _check_name(lowering: Lowering, tool: Tool, place: Path, first: dict[str, Path]) -> bool:
    span = lowering.document.span((*place, "name"))
    if not _NAME.match(tool.name):
        lowering.report.error(
            "E411", span, f"no provider takes '{tool.name}' as the name of a tool",
            hint="letters, digits, '_' and '-', at most 64",
        )  # fmt: skip
        return False
    if tool.name in first:
        lowering.report.error(
            "E411", span, f"the tool '{tool.name}' is declared twice",
            related=[(lowering.document.span(first[tool.name]), "first here")],
        )  # fmt: skip
        return False
    first[tool.name] = (*place, "name")
    return True


def _tool(lowering: Lowering, tool: Tool, place: Path) -> Code | None:
    parameters = (*place, "parameters")
    schema = read_schema(lowering.files, tool.parameters, parameters)
    if schema is None:
        return None
    kind = schema.get("type", "object")
    if kind != "object":
        lowering.report.error(
            "E410", lowering.document.span((*parameters, "type")),
            f"the parameters of '{tool.name}' are no object, and a node's inputs have names",
            hint="type: object, with a property for each input",
        )  # fmt: skip
        return None
    description = tool.description
    if isinstance(description, FileText):
        source = lowering.files.load(description.file, (*place, "description", "file"))
        if source is None:
            return None
        description = source.text.strip()
    arguments = argument_names(schema)
    takes, requires, fields, defaults = [], [], {}, {}
    for port, field in lowering.inputs_of_tool(tool.maps_to):
        if field is None if arguments is None else port.name in arguments:
            takes.append(port.name)
        if field is not None:
            fields[port.name] = field
        if port.default is not None:
            defaults[port.name] = port.default
        elif not port.optional:
            requires.append(port.name)
    suffix = re.sub(r"[^A-Za-z0-9]+", "_", tool.name)
    keywords: dict[str, Code] = {
        "name": quoted(tool.name),
        "node": quoted(tool.maps_to),
        "parameters": lowering.schema_constant(
            f"{suffix}_parameters", {"type": "object", **schema}, parameters
        ),
    }
    if description:
        keywords["description"] = quoted(description)
    if takes:
        keywords["takes"] = strings(takes)
    if requires:
        keywords["requires"] = strings(requires)
    if fields:
        keywords["fields"] = mapped((name, quoted(field)) for name, field in fields.items())
    if defaults:
        keywords["defaults"] = mapped((name, literal(value)) for name, value in defaults.items())
    return call(lowering.uses("irc_runtime.tools", "Tool"), **keywords)
