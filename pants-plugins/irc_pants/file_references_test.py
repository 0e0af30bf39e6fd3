"""What templates and schemas refer to."""

from __future__ import annotations

import json

import pytest

from irc_pants.file_references import (
    FileKind,
    FileReference,
    FlowPlace,
    references_of_file,
    references_of_schema,
    references_of_template,
)

FLOW = FlowPlace("src/flows/support/flow.yaml", "src")


def templates(text: str) -> set[str]:
    """The files that a template refers to."""
    found = set(references_of_template(text, FLOW))
    assert all(file.kind is FileKind.TEMPLATE for file in found)
    return {file.path for file in found}


def schemas(schema: object, folder: str = "src/flows/support") -> set[str]:
    """The files that a schema refers to."""
    found = set(references_of_schema(schema, folder, FLOW))
    assert all(file.kind is FileKind.SCHEMA for file in found)
    return {file.path for file in found}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{% include "a.j2" %}', {"a.j2"}),
        ("{%- include 'a.j2' ignore missing -%}", {"a.j2"}),
        ('{%+ include ["a.j2", "parts/b.j2"] without context %}', {"a.j2", "parts/b.j2"}),
        ('{%import "a.j2" as a%}{% from "b.j2" import c %}', {"a.j2", "b.j2"}),
        (
            '{%\n  extends\n  "a.j2"\n%}{% block x %}{% include "b.j2" %}{% endblock %}',
            {"a.j2", "b.j2"},
        ),
        ('{# {% #}{% include "a.j2" %}', {"a.j2"}),
        (r'{% include "\x61 b.j2" %}', {"a b.j2"}),
        ('{% set x = "a.j2" %}{{ "b.j2" }}{% if includes == "c.j2" %}{% endif %}', set()),
        ("{% include name %}{% include", set()),
        ('{% include "unclosed %}', set()),
    ],
)
def test_templates_refer_to_templates_by_constant_names(text: str, paths: set[str]) -> None:
    assert templates(text) == {f"src/flows/support/{path}" for path in paths}


def test_a_file_of_templates_names_others_relative_to_the_flow() -> None:
    file = FileReference("src/flows/support/prompts/ask.j2", FileKind.TEMPLATE)
    found = references_of_file(file, b'\xff{% include "prompts/rules.j2" %}', FLOW)
    assert [item.path for item in found] == ["src/flows/support/prompts/rules.j2"]


@pytest.mark.parametrize("opening", ["{% include ", '{% include "', "{% include '%}", "{#"])
def test_statements_without_an_end_do_not_hold_the_process_up(opening: str) -> None:
    assert not templates(opening * 100_000)


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("order.json", "src/flows/support/order.json"),
        ("../types.yaml#/types/money", "src/flows/types.yaml"),
        ("my%20order.json#", "src/flows/support/my order.json"),
        ("shop.schemas:order.json#/$defs/line", "src/shop/schemas/order.json"),
        ("shop:schemas/order.yml", "src/shop/schemas/order.yml"),
    ],
)
def test_schemas_refer_to_files(reference: str, path: str) -> None:
    schema = {"properties": {"a": {"items": [{"$ref": reference}]}}}
    assert schemas(schema) == {path}


@pytest.mark.parametrize(
    "reference",
    [
        *("#", "#/$defs/a", "http://json-schema.org/draft-07/schema#", "urn:a:b"),
        *("/etc/types.json", "../../../../types.json", "shop:order.txt"),
    ],
)
def test_what_is_no_file_of_the_repository_is_not_looked_for(reference: str) -> None:
    assert not schemas({"$ref": reference})


def test_a_file_of_schemas_names_others_relative_to_itself_and_to_the_source_root() -> None:
    file = FileReference("src/shop/schemas/order.json", FileKind.SCHEMA)
    document = {"a": {"$ref": "line.json"}, "b": {"$ref": "common:money.json"}}
    found = references_of_file(file, json.dumps(document).encode(), FLOW)
    assert {item.path for item in found} == {"src/shop/schemas/line.json", "src/common/money.json"}


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b"{a: ", b"3"])
@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_file_that_cannot_be_read_refers_to_nothing(name: str, content: bytes) -> None:
    file = FileReference(f"src/{name}", FileKind.SCHEMA)
    assert not list(references_of_file(file, content, FLOW))


def test_json_that_only_yaml_takes_is_read_as_the_compiler_reads_it() -> None:
    file = FileReference("src/flows/support/a.json", FileKind.SCHEMA)
    found = references_of_file(file, b'{"$ref": "b.json",} # a comment', FLOW)
    assert [item.path for item in found] == ["src/flows/support/b.json"]


def test_aliases_are_followed_once() -> None:
    item: list[object] = [{"$ref": "a.json"}]
    for _ in range(60):
        item = [item, item]
    item.append(item)
    assert schemas(item) == {"src/flows/support/a.json"}
