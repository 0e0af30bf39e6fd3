"""JSON Schemas in the IR: are they schemas, and what of them is supported."""

from __future__ import annotations

from typing import Any

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
    return _check_references(document, schema, path, report)


def _check_references(document: Document, schema: Any, path: Path, report: Diagnostics) -> bool:
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
    elif isinstance(schema, list):
        items = list(enumerate(schema))
    for key, value in items:
        fine = _check_references(document, value, (*path, key), report) and fine
    return fine


def _first_line(text: str) -> str:
    line = text.split("\n")[0]
    return line if len(line) <= 120 else line[:117] + "..."
