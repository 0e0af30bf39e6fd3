"""JSON Schemas of a flow with what they refer to: what they become, and what they accept."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from irc_runtime.schema import Schema
from tests.irc.compiling import BASE, agent_of, check_text, codes

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def flow(schema: Any) -> str:
    port = json.dumps({"name": "text", "type": "object", "schema": schema})
    return (
        BASE + f"nodes:\n  a:\n    inputs: [{{name: query, type: string}}]\n    outputs: [{port}]\n"
        '    transform: {mode: code, spec: "def transform(i, c, s):\\n    return None"}\n'
        "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n"
    )


def schema_of(schema: Any, **files: Any) -> Schema:
    """The schema that an agent holds; ``a__b`` is the file a/b.json."""
    texts = {f"{name.replace('__', '/')}.json": json.dumps(file) for name, file in files.items()}
    found = agent_of(flow(schema), texts).a.settings.outputs["text"]  # type: ignore[attr-defined]
    assert isinstance(found, Schema)
    return found


def valid(schema: Schema, *values: Any) -> list[bool]:
    return [schema.problem(value) is None for value in values]


def test_a_schema_that_needs_no_file_stays_as_it_is() -> None:
    schema = {"$anchor": "root", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": True, "b": False}}  # fmt: skip
    assert schema_of(schema).schema == schema


def test_a_reference_alone_becomes_what_it_refers_to() -> None:
    schema = schema_of({"$ref": "a.json", "title": "T"}, a={"type": "object", "title": "t"})
    assert schema.schema == {"type": "object", "title": "T"}
    node = {"properties": {"next": {"$ref": "#/$defs/node"}}}
    assert schema_of({"$ref": "#/$defs/node", "$defs": {"node": node}}).schema == {
        "properties": {"next": {"$ref": "#"}}
    }


def test_files_that_refer_to_each_other_recurse() -> None:
    schema = schema_of(
        {"type": "object", "properties": {"of": {"$ref": "people/person.json"}}},
        people__person={"properties": {"home": {"$ref": "../places/home.json"}, "name": {"type": "string"}}},
        places__home={"properties": {"owner": {"$ref": "../people/person.json"}}},
    )  # fmt: skip
    deep: Mapping[str, Any] = {"of": {"home": {"owner": {"home": {"owner": {"name": 1}}}}}}
    assert schema.problem(deep) == "at 'of.home.owner.home.owner.name': expected string"
    assert valid(schema, {"of": {"home": {"owner": {"name": "Ada"}}}}) == [True]


def test_like_named_parts_of_files_keep_apart() -> None:
    kinds = {"$defs": {"kind": {"const": 1}}, "properties": {"k": {"$ref": "#/$defs/kind"}}}
    schema = schema_of(
        {"properties": {
            "own": {"$ref": "#/$defs/kind"}, "a": {"$ref": "a.json"}, "b": {"$ref": "b/a.json"},
        }, "$defs": {"kind": {"const": 0}}},
        a=kinds, b__a={"$defs": {"kind": {"const": 2}}, "properties": {"k": {"$ref": "#/$defs/kind"}}},
    )  # fmt: skip
    assert list(schema.schema["$defs"]) == ["kind", "a", "a_2", "a_kind", "a_kind_2"]  # type: ignore[index]
    assert valid(schema, {"own": 0, "a": {"k": 1}, "b": {"k": 2}}) == [True]
    assert (
        valid(schema, {"own": 1}, {"a": {"k": 0}}, {"a": {"k": 2}}, {"b": {"k": 1}}) == [False] * 4
    )


def test_pointers_are_unescaped_and_anchors_found() -> None:
    schema = schema_of(
        {"properties": {"a": {"$ref": "a.json#/x/b~1c%20d~0/0"}, "b": {"$ref": "a.json#here"}}},
        a={"x": {"b/c d~": [{"const": 1}]}, "y": {"$anchor": "here", "const": 2}},
    )
    assert valid(schema, {"a": 1, "b": 2}, {"a": 2}, {"b": 1}) == [True, False, False]


def test_addresses_that_schemas_give_themselves_are_references() -> None:
    schema = schema_of(
        {"$id": "https://example.com/root.json",
         "properties": {"a": {"$ref": "part#/$defs/x"}, "b": {"$ref": "https://example.com/part"}},
         "$defs": {"p": {"$id": "part", "type": "object", "$defs": {"x": {"const": 1}},
                         "properties": {"x": {"$ref": "#/$defs/x"}}}}}
    )  # fmt: skip
    assert "$id" not in json.dumps(schema.schema)
    assert valid(schema, {"a": 1, "b": {"x": 1}}, {"b": {"x": 2}}, {"b": 1}) == [True, False, False]


def test_data_and_names_that_look_like_references_are_none() -> None:
    schema = {"properties": {"$ref": {"type": "string"}}, "default": {"$ref": "gone.json"},
              "enum": [{"$ref": "gone.json"}], "x-note": {"$ref": "gone.json"}}  # fmt: skip
    assert schema_of(schema).schema == schema
    inlined = schema_of({"$ref": "a.json"}, a=schema)
    assert inlined.schema == schema


def test_a_metaschema_is_a_reference_that_needs_no_file() -> None:
    schema = schema_of({"properties": {"s": {"$ref": DRAFT_7}, "a": {"$ref": "a.json"}}}, a=True)
    assert valid(schema, {"s": {"type": "string"}}, {"s": {"type": 1}}) == [True, False]


def test_a_file_of_draft_7_says_the_same_in_a_schema_of_2020_12() -> None:
    old = {
        "$schema": DRAFT_7,
        "properties": {
            "pair": {"items": [{"type": "string"}, {"$ref": "#/definitions/n"}], "additionalItems": False},
            "list": {"items": {"type": "string"}, "additionalItems": False},
            "beside": {"$ref": "#/definitions/n", "maximum": 0},
            "later": {"prefixItems": [False], "dependentRequired": {"a": ["b"]}},
        },
        "dependencies": {"x": ["y"], "z": {"required": ["w"]}},
        "definitions": {"n": {"minimum": 3}},
    }  # fmt: skip
    values = [
        {"pair": ["a", 3]}, {"pair": ["a", 2]}, {"pair": ["a", 3, 1]}, {"list": ["a", "b"]},
        {"list": [1]}, {"beside": 5}, {"beside": 2}, {"later": [1]}, {"later": {"a": 1}},
        {"x": 1}, {"x": 1, "y": 1}, {"z": 1}, {"z": 1, "w": 1},
    ]  # fmt: skip
    expected = [True, False, False, True, False, True, False, True, True, False, True, False, True]
    assert valid(Schema(old), *values) == expected
    mixed = schema_of({"allOf": [{"$ref": "old.json"}]}, old=old)
    assert "$schema" not in json.dumps(mixed.schema)
    assert valid(mixed, *values) == expected
    pure = schema_of({"$schema": DRAFT_7, "allOf": [{"$ref": "old.json"}]}, old=old)
    assert pure.schema["$schema"] == DRAFT_7  # type: ignore[index]
    assert valid(pure, *values) == expected


def test_draft_7_is_known_by_its_address_with_https_too() -> None:
    schema = schema_of({"$schema": DRAFT_7.replace("http:", "https:"), "items": [{"const": 1}]})
    assert schema.schema["$schema"] == DRAFT_7  # type: ignore[index]
    assert valid(schema, [1, 2], [2]) == [True, False]


@pytest.mark.parametrize(
    ("schema", "files", "code"),
    [
        ({"$ref": "#"}, {}, "E315"),
        ({"not": {"$ref": "#"}}, {}, "E315"),
        ({"dependentSchemas": {"a": {"$ref": "#"}}}, {}, "E315"),
        ({"$ref": "a.json"}, {"a.json": '{"$ref": "a.json"}'}, "E315"),
        ({"$ref": "a.json#/1"}, {"a.json": "[1]"}, "E314"),
        ({"$ref": "a.json#/00"}, {"a.json": "[true]"}, "E314"),
        ({"$ref": "file:///etc/passwd"}, {}, "E314"),
        ({"$ref": "/etc/passwd"}, {}, "E313"),
        ({"$ref": "\0"}, {}, "E313"),
        ({"$ref": "a.json#/a"}, {"a.json": '{"a": 1}'}, "E206"),
        ({"$ref": "a.json"}, {"a.json": '{"$ref": 5}'}, "E206"),
        ({"pattern": "("}, {}, "E206"),
        ({"pattern": "\\p{L}"}, {}, "E206"),
    ],
)
def test_what_is_wrong_is_told(schema: Any, files: dict[str, str], code: str) -> None:
    assert codes(check_text(flow(schema), files)) == [code]


def test_the_same_mistake_is_told_where_it_is() -> None:
    text = flow({"pattern": "("})
    (first,) = check_text(text).report
    (moved,) = check_text(f"# moved\n{text}").report
    assert first.code == moved.code == "E206"
    assert moved.span.line == first.span.line + 1


def test_a_file_is_read_by_the_draft_of_what_refers_to_it() -> None:
    files = {"a.json": '{"items": [{}]}'}  # a list of schemas is of draft 7
    schema = {"properties": {"a": {"$ref": "a.json"}}}
    assert "E206" not in codes(check_text(flow({"$schema": DRAFT_7, **schema}), files))
    assert codes(check_text(flow(schema), files)) == ["E206"]


def test_every_file_with_a_mistake_is_told() -> None:
    schema = {
        "properties": {"a": {"$ref": "a.json"}, "b": {"$ref": "b.json"}, "c": {"$ref": "c.json"}}
    }
    files = {"a.json": '{"type": 1}', "b.json": '{"items": {"$ref": "#/x"}}'}
    assert sorted(codes(check_text(flow(schema), files))) == ["E206", "E313", "E314"]


def test_a_prompt_answers_by_the_properties_of_a_schema_in_a_file() -> None:
    text = BASE + (
        "nodes:\n  a:\n    inputs: [{name: query, type: string}]\n"
        "    outputs: [{name: text, type: string}, {name: mood, type: string}]\n"
        "    prompt:\n      template: '{{ query }}'\n      model: {provider: openai, name: m}\n"
        "      output_schema: {$ref: answer.yaml}\n"
        "edges: [{from: _input.query, to: a}, {from: a.text, to: _output}]\n"
    )
    answer = "properties: {text: {type: string}, mood: {enum: [good, bad]}}\n"
    assert check_text(text, {"answer.yaml": answer}).compiled is not None
    assert "E203" in codes(check_text(text, {"answer.yaml": "properties: {text: true}\n"}))
