"""Values made up for generated tests: they fit, they are told apart, and none is better than a wrong one."""

from typing import Any

import jinja2
import pytest
from jsonschema import Draft202012Validator

from irc.emit.samples import NOTHING, refused, sample_port, sample_schema
from irc.ir.model import Port
from irc.passes.template_reads import template_reads

SCHEMAS: list[Any] = [
    True,
    {"type": "string", "minLength": 50},
    {"type": "string", "maxLength": 3},
    {"enum": ["a", "b"]},
    {"const": None},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 0.6},
    {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 7},
    {"type": ["null", "boolean"]},
    {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "string"}},
    {"type": "array", "maxItems": 0},
    {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}], "items": False},
    {"type": "object", "minProperties": 2},
    {
        "type": "object",
        "required": ["date", "count"],
        "properties": {"date": {"format": "date-time"}, "count": {"$ref": "#/$defs/count"}},
        "additionalProperties": False,
        "$defs": {"count": {"type": "integer", "minimum": 1}},
    },
    {"anyOf": [{"type": "string", "minLength": 2, "maxLength": 1}, {"type": "number"}]},
    {"oneOf": [{"type": "number"}, {"type": "number", "minimum": 1000}]},
    {"allOf": [{"minimum": 3}, {"maximum": 5}]},
    {"type": "object", "properties": {"child": {"$ref": "#"}}},
    {"type": "string", "pattern": "^[A-Z]{3}$"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_samples_fit_their_schema(schema: Any) -> None:
    value = sample_schema(schema, "score.risk")
    assert value is not NOTHING
    assert Draft202012Validator(schema).is_valid(value)
    assert sample_schema(schema, "score.risk") == value


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "string", "pattern": "^zz[0-9]{7}$"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"anyOf": [{"$ref": "#"}] * 6, "type": "string"},
        {"$ref": "elsewhere.json"},
    ],
    ids=str,
)
def test_where_none_is_found_there_is_none(schema: Any) -> None:
    assert sample_schema(schema, "score.risk") is NOTHING


@pytest.mark.parametrize("kind", ["string", "number", "object", "array", "table", "embedding"])
def test_samples_of_two_ports_differ(kind: Any) -> None:
    port = Port.model_validate({"name": "value", "type": kind})
    assert sample_port(port, "a.value") != sample_port(port, "b.value")


def test_a_sample_has_the_ports_type_as_well() -> None:
    port = Port.model_validate({"name": "value", "type": "number", "schema": {"minimum": 3}})
    assert sample_port(port, "a.value") >= 3
    port = Port.model_validate({"name": "value", "type": "number", "schema": {"enum": ["a"]}})
    assert sample_port(port, "a.value") is NOTHING


@pytest.mark.parametrize("schema", [schema for schema in SCHEMAS if schema is not True], ids=str)
def test_refused_values_do_not_fit(schema: Any) -> None:
    assert not Draft202012Validator(schema).is_valid(refused(schema))


def test_a_schema_that_refuses_nothing_has_no_refused_value() -> None:
    assert refused(True) is NOTHING


# What templates read


def reads_of(template: str) -> Any:
    return template_reads(jinja2.Environment(autoescape=False).parse(template))


def test_values_put_out_are_shown() -> None:
    reads = reads_of("{{ query }} of {{ customer.name }}, {{ risk * 100 }}, {{ name | upper }}")
    assert [place for place, _ in reads.shown] == [("query",), ("customer", "name")]
    assert (("risk",), "number") in reads.kinds
    assert (("name",), "text") in reads.kinds


def test_what_a_condition_hides_is_shown_when_it_holds() -> None:
    reads = reads_of("{% if tone %}{{ tone }}{% else %}{{ query }}{% endif %}")
    assert reads.shown == ((("tone",), (("tone",),)),)
    reads = reads_of("{% if risk > 3 %}{{ query }}{% endif %}")
    assert reads.shown == ()


def test_items_of_a_loop_are_items_of_the_list() -> None:
    reads = reads_of("{% for turn in history[-5:] %}{{ loop.index }} {{ turn.text }}{% endfor %}")
    assert reads.shown == ((("history", 0, "text"), ()),)
    assert (("history",), "items") in reads.kinds


def test_a_node_without_a_past_has_no_state() -> None:
    reads = reads_of(
        "{% if state.last is defined %}{{ state.last }}{% else %}{{ query }}{% endif %}"
    )
    assert reads.shown == ((("query",), ()),)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 9 ** 9 ** 9 }}",
        "{{ state.last }}",
        "{{ customer.items() }}",
        "{{ customer.items }}",
        "{{ range(1000000000) | list }}",
        "{% for a, b in pairs %}{{ a }}{% endfor %}",
        "{% macro m() %}{% endmacro %}{{ m() }}",
        "{{ query | map('upper') }}",
        "{{ '%s' % query }}",
        "{{ history[5] }}",
        "{% set x = 1 %}{{ x.y }}",
    ],
)
def test_what_is_not_understood_is_said_to_be_so(template: str) -> None:
    assert reads_of(template) is None
