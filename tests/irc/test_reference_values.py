"""References in arguments, compiled and run."""

import json
from typing import Any

import pytest

from tests.irc.compiling import check_text, codes, run_text

HEAD = 'version: "1.0"\nmetadata: {name: a}\ncontext: {requires: [o], optional: [p, c]}\n'


def flow(template: Any) -> str:
    return (
        HEAD
        + "nodes:\n  a:\n    inputs:\n      - {name: o, type: object}\n"
        + "      - {name: p, type: object, optional: true}\n"
        + "      - {name: d, type: object, optional: true, default: {k: 7}}\n"
        + "    outputs: [{name: t, type: object}]\n    transform:\n      mode: declarative\n"
        + f"      spec: {{op: io.format_response, args: {{template: {json.dumps(template)}}}}}\n"
        + "edges:\n  - {from: _input.o, to: a.o}\n  - {from: _input.p, to: a.p}\n"
        + "  - {from: a, to: _output}\n"
    )


OBJECT = {"k": 1, "a b": [True, None, {"x": "é"}], "items": "i", "it's": 2}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${o.k}", 1),
        ("${ o.k }", 1),
        ("${o['a b'][0]}", True),
        ('${o["a b"][-1].x}', "é"),
        ("${o.items}", "i"),
        ("${o['a b']}", OBJECT["a b"]),
        ("<${o.k}|${o['a b'][0]}|${o['a b'][1]}|${o['a b'][2]}>", '<1|true|null|{"x": "é"}>'),
        ("$${o.k} $ {} {x} $k", "$1 $ {} {x} $k"),
        ('${o["it\'s"]} {', "2 {"),
        (
            {"a": {"b": ["${o.k}", ["${o.items}!"]]}, "n": None},
            {"a": {"b": [1, ["i!"]]}, "n": None},
        ),
        ("${d.k}", 7),
        ("${p}", None),
        ("${p.deep[0].er}", None),
        ("<${p.deep['it s'].er}>", "<null>"),
        ('<${p["it\'s"]}>', "<null>"),
        ("${context.c}", None),
        ("${context.c.deep[0]}", None),
        ("${context['c'].deep}", None),
        ("${context.o.k}", 1),
    ],
)
def test_reference_gives(template: Any, value: Any) -> None:
    assert run_text(flow(template), {"o": OBJECT}).output == value


def test_parts_of_optional_values_that_are_there() -> None:
    request = {"o": OBJECT, "p": {"deep": [{"er": 3}]}, "c": {"deep": [4]}}
    assert run_text(flow(["${p.deep[0].er}", "${context.c.deep[0]}"]), request).output == [3, 4]


@pytest.mark.parametrize("template", ["${o.gone}", "${o.k.x}", "${o['a b'][9]}", "${p.gone}"])
def test_a_part_that_is_not_there_fails_the_node(template: str) -> None:
    case = run_text(flow(template), {"o": OBJECT, "p": {}})
    assert case.error is not None
    assert "node 'a' failed (error)" in case.error


@pytest.mark.parametrize(
    "template",
    [
        "${}",
        "${o",
        "${o.}",
        "${o.a-b}",
        "${o[k]}",
        "${o.k + 1}",
        "${q}",
        "${env}",
        "${context}",
        {"${o}": 1},
    ],
)
def test_what_is_no_reference_is_told(template: Any) -> None:
    assert "E408" in codes(check_text(flow(template)))


def test_a_sequence_of_an_optional_part() -> None:
    text = flow("x").replace(
        '{op: io.format_response, args: {template: "x"}}',
        "{op: transform.map, args: {input: '${p.l}', expression: item + index}}",
    )
    assert run_text(text, {"o": OBJECT, "p": {"l": [1, 1]}}).output == [1, 2]
