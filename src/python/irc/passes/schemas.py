"""JSON Schemas of the flow: are they schemas, and what do they refer to."""

from __future__ import annotations

from typing import Any

from irc.ir.model import Flow
from irc.passes.files import Files
from irc.passes.schema_bundle import bundled, is_reference
from irc.passes.schema_graph import SchemaGraph
from irc.source import Path


def read_schema(files: Files, schema: Any, path: Path) -> Any | None:
    """A JSON Schema, draft 7 or 2020-12, that needs no file: what it refers to is part of it.

    A schema that refers to nothing outside of itself stays as it is.

    Args:
        schema: the value in the flow; ``true`` and ``false`` are schemas.
        path: where it stands in the flow.
    Returns:
        The schema; None where something is wrong with it, which is reported.
    Reports:
        E206 what is no schema, E313 and E101 to E106 for files, E314 references that lead nowhere,
        E315 schemas that refer to each other without end, E316 other drafts, E501 dynamic
        references across files.
    """
    graph = SchemaGraph(files, files.report)
    root = graph.add(schema, path)
    if not graph.is_fine:
        return None
    if graph.is_plain and not is_reference(schema):
        return schema
    for span in graph.dynamic:
        files.report.error(
            "E501", span, "a dynamic reference beside schemas with an address",
            hint="write '$ref'",
        )  # fmt: skip
    return None if graph.dynamic else bundled(graph, root)


def mismatch(schema: Any, value: Any) -> str | None:
    """How a value does not fit a self-contained schema; None where it does."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import Draft202012Validator, validator_for

    validator = validator_for(schema, default=Draft202012Validator)(schema)
    error = best_match(validator.iter_errors(value))
    return None if error is None else error.message.split("\n")[0]


def read_expected_schemas(files: Files, flow: Flow) -> dict[int, Any]:
    """The schemas of the responses that test cases expect, by the case's index."""
    found = {
        index: read_schema(files, case.expect.output_schema, ("tests", index, "expect", "output_schema"))
        for index, case in enumerate(flow.tests)
        if case.expect.output_schema is not None
    }  # fmt: skip
    return {index: schema for index, schema in found.items() if schema is not None}
