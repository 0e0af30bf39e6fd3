"""JSON Schemas in the IR: are they schemas, and what of them is supported."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from irc.diagnostics import Diagnostics
from irc.source import Document, Path


def check_schema(document: Document, schema: Any, path: Path, report: Diagnostics) -> bool:
    """Check that a value is a JSON Schema, draft 7 or 2020-12.

    Reports:
        E206 at the keyword that is wrong, E501 for references to other files.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft7Validator, Draft202012Validator

    draft7 = isinstance(schema, dict) and "draft-07" in str(schema.get("$schema", ""))
    try:
        (Draft7Validator if draft7 else Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        place = (*path, *(key for key in error.absolute_path))
        report.error(
            "E206", document.span(place), f"not a JSON Schema: {_first_line(error.message)}"
        )
        return False
    return _check_references(document, schema, schema, path, report)


def _check_references(
    document: Document, root: Any, schema: Any, path: Path, report: Diagnostics
) -> bool:
    fine = True
    items: list[tuple[str | int, Any]] = []
    if isinstance(schema, dict):
        items = list(schema.items())
        target = schema.get("$ref")
        if isinstance(target, str) and not target.startswith("#"):
            report.error(
                "E501", document.span((*path, "$ref")), f"the reference '{target}' to another file",
                hint="put the schema below '$defs' and refer to it as '#/$defs/<name>'",
            )  # fmt: skip
            fine = False
        elif isinstance(target, str) and not _leads_somewhere(root, target):
            report.error(
                "E206", document.span((*path, "$ref")),
                f"not a JSON Schema: the reference '{target}' leads nowhere",
            )  # fmt: skip
            fine = False
    elif isinstance(schema, list):
        items = list(enumerate(schema))
    for key, value in items:
        fine = _check_references(document, root, value, (*path, key), report) and fine
    return fine


def _leads_somewhere(root: Any, reference: str) -> bool:
    """Whether a reference within a schema names a part of it, and not only other references."""
    seen: set[str] = set()
    while reference not in seen:
        seen.add(reference)
        target = _resolved(root, unquote(reference[1:]))
        if target is None:
            return False
        if not (isinstance(target, dict) and isinstance(target.get("$ref"), str)):
            return True
        reference = target["$ref"]
        if not reference.startswith("#"):
            return True  # reported where it stands
    return False


def _resolved(root: Any, fragment: str) -> Any:
    """What a JSON pointer (RFC 6901) or an ``$anchor`` names; None for nothing."""
    if fragment and not fragment.startswith("/"):
        return _anchored(root, fragment)
    value = root
    for step in fragment.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _anchored(root: Any, anchor: str) -> Any:
    stack = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if anchor in {item.get("$anchor"), item.get("$dynamicAnchor")}:
                return item
            if item.get("$id") == f"#{anchor}":  # draft 7
                return item
            stack += item.values()
        elif isinstance(item, list):
            stack += item
    return None


def _first_line(text: str) -> str:
    line = text.split("\n")[0]
    return line if len(line) <= 120 else line[:117] + "..."
