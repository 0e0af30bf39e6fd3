"""The JSON Schema (2020-12) of a flow, from the shapes that the compiler itself checks.

What a schema can say is in it: keys, forms, names and the arguments of each operation. What
concerns several places, as edges do, is the compiler's matter.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from irc.ir.model import FileText, Flow, FunctionName, Operation, Shape
from irc.json_schema.descriptions import described, described_operations
from irc.ops.registry import built_in, operations
from irc.passes.resolve import FLOW_NAME, NODE_ID, PORT_NAME

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXTENSIONS = {"^x-": True}
"""Keys of other tools."""

Schema = dict[str, Any]


def flow_schema() -> Schema:
    """The schema, the same for the same operations."""
    own = {name: operation.arguments for name, operation in built_in().items()}
    models: list[type[Shape]] = [Flow, Operation, FileText, FunctionName, *own.values()]
    _, combined = models_json_schema([(model, "validation") for model in dict.fromkeys(models)])
    arguments = {name: model.__name__ for name, model in own.items()}
    shapes: dict[str, Schema] = {
        name: _shape(name, schema) for name, schema in sorted(combined["$defs"].items())
    }
    _name_things(shapes)
    _tell_transforms_apart(shapes)
    _require_one(shapes)
    for name, operation in operations().items():
        if name not in arguments:
            arguments[name] = f"{name}.{operation.arguments.__name__}"
            shapes |= _package_shapes(name, operation.arguments)
    _choose_arguments(shapes["Operation"], arguments)
    flow = shapes.pop("Flow")
    return {
        "$schema": DIALECT,
        "title": "An agent flow, IR 1.0",
        **flow,
        "$defs": shapes,
    }


def _package_shapes(operation: str, arguments: type[Shape]) -> dict[str, Schema]:
    """The shapes of a package's operation; its name stands before theirs, which may be irc's too."""
    template = f"#/$defs/{operation}.{{model}}"
    _, combined = models_json_schema([(arguments, "validation")], ref_template=template)
    return {
        f"{operation}.{name}": {**_cleaned(schema), "patternProperties": EXTENSIONS}
        for name, schema in sorted(combined["$defs"].items())
    }


def _shape(name: str, schema: Schema) -> Schema:
    """The schema of one shape, with descriptions and room for the keys of other tools."""
    texts = described(name)
    cleaned = _cleaned(schema)
    for key, property_ in cleaned["properties"].items():
        if key in texts:
            property_["description"] = texts[key]
    return {**cleaned, "patternProperties": EXTENSIONS}


def _cleaned(schema: Any) -> Any:
    """Without what pydantic adds that tells an author nothing: titles, and empty defaults."""
    if isinstance(schema, list):
        return [_cleaned(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: _cleaned(property_) for name, property_ in value.items()}
        elif key == "default" and not isinstance(value, bool | int | float | str):
            continue
        elif key != "title":
            found[key] = _cleaned(value)
    if "description" in found:
        found["description"] = " ".join(found["description"].replace("``", "`").split())
    return found


def _name_things(shapes: dict[str, Schema]) -> None:
    """Say how names are spelt, and which objects have names of one's own as keys."""
    properties = shapes["Flow"]["properties"]
    properties["version"] = {
        "description": properties["version"]["description"],
        "enum": ["1.0", 1.0],
    }
    properties["nodes"] |= {
        "patternProperties": {_pattern(NODE_ID): {"$ref": "#/$defs/Node"}, **EXTENSIONS},
        "additionalProperties": False,
    }
    mocks = shapes["Case"]["properties"]["mocks"]
    mocks["patternProperties"] = EXTENSIONS | {"^(?!x-)": mocks.pop("additionalProperties")}
    for shape, key, pattern in (
        ("Metadata", "name", FLOW_NAME),
        ("Port", "name", PORT_NAME),
        ("ErrorPort", "name", PORT_NAME),
    ):
        shapes[shape]["properties"][key]["pattern"] = _pattern(pattern)


def _pattern(compiled: re.Pattern[str]) -> str:
    """A pattern of Python's as JSON Schema's, which looks for it anywhere."""
    return f"^{compiled.pattern.removesuffix(chr(92) + 'Z')}$"


def _tell_transforms_apart(shapes: dict[str, Schema]) -> None:
    """What ``spec`` is, by ``mode``."""
    code = {
        "anyOf": [
            {"type": "string"},
            {"$ref": "#/$defs/FileText"},
            {"$ref": "#/$defs/FunctionName"},
        ]
    }
    shapes["Transform"]["allOf"] = [
        _when("mode", "code", "spec", code),
        _when("mode", "declarative", "spec", {"$ref": "#/$defs/Operation"}),
    ]


def _require_one(shapes: dict[str, Schema]) -> None:
    """Shapes of which one of two keys is there."""
    for shape, keys in (
        ("Node", ("transform", "prompt")),
        ("Fallback", ("model", "static_response")),
    ):
        shapes[shape]["anyOf"] = [{"required": [key]} for key in keys]


def _choose_arguments(operation: Schema, shapes: dict[str, str]) -> None:
    """What ``args`` holds, by ``op``."""
    texts = described_operations()
    operation["properties"]["op"] = {
        "anyOf": [
            {"const": name, "description": f"Gives {texts[name]}."}
            if name in texts
            else {"const": name}
            for name in shapes
        ]
    }
    operation["allOf"] = [
        _when("op", name, "args", {"$ref": f"#/$defs/{shape}"}) for name, shape in shapes.items()
    ]


def _when(key: str, value: str, then: str, schema: Schema) -> Schema:
    """Where a key has a value, another key is there and has a schema."""
    return {
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": {"properties": {then: schema}, "required": [then]},
    }
