"""The canonical form of flows, by example."""

import json
from pathlib import Path

import pytest

from irc.diagnostics import Diagnostics
from irc.formatting.flows import FormattingError, format_flow
from irc.reading import parse
from irc.source import SourceFile

FLOWS = [
    *sorted(Path("flows").glob("*/flow.yaml")),
    *sorted(Path("tests/golden").glob("good_*/flow.*")),
]


def formatted(text: str, name: str = "flow.yaml") -> str:
    result = format_flow(name, text.encode())
    assert result.after is not None, list(result.report)
    return result.after


def values(text: str, name: str = "flow.yaml") -> object:
    document = parse(SourceFile(name, text), Diagnostics())
    assert document is not None
    return document.data


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.parent.name)
def test_every_flow_says_the_same_afterwards(flow: Path) -> None:
    before = flow.read_text()
    after = formatted(before, flow.name)
    assert values(after, flow.name) == values(before, flow.name)
    assert formatted(after, flow.name) == after
    assert [line for line in sorted(before.splitlines()) if line.lstrip().startswith("#")] == [
        line for line in sorted(after.splitlines()) if line.lstrip().startswith("#")
    ]


def test_there_are_flows() -> None:
    assert len(FLOWS) >= 12


def test_keys_come_in_the_order_of_the_reference() -> None:
    text = """\
x-owner: me
nodes:
  a:
    prompt:
      model: {name: m, provider: openai}
      template: hi
    outputs: [{type: string, name: text}]
metadata: {tags: [b, a], name: x}
version: "1.0"
"""
    assert (
        formatted(text)
        == """\
version: "1.0"
metadata: {name: x, tags: [b, a]}

nodes:
  a:
    outputs: [{name: text, type: string}]
    prompt:
      template: hi
      model: {provider: openai, name: m}

x-owner: me
"""
    )


def test_order_of_other_keys_is_kept() -> None:
    text = """\
nodes:
  b:
    transform:
      mode: declarative
      spec:
        args: {template: {z: 1, name: 2, a: {type: 1, name: 2}}}
        op: io.format_response
  a: {}
"""
    assert (
        formatted(text)
        == """\
nodes:
  b:
    transform:
      mode: declarative
      spec:
        op: io.format_response
        args: {template: {z: 1, name: 2, a: {type: 1, name: 2}}}

  a: {}
"""
    )


def test_ports_and_edges_take_one_line_where_they_fit() -> None:
    long = "a " * 50
    text = f"""\
nodes:
  a:
    inputs:
      - name: text
        type: string
      - {{name: other, type: string,
         description: {long}}}
edges:
  - from: a.b
    to: c.d
  # kept in sight
  - from: a.b   # not here
    to: c.e
"""
    assert (
        formatted(text)
        == f"""\
nodes:
  a:
    inputs:
      - {{name: text, type: string}}
      - name: other
        type: string
        description: {long.strip()}

edges:
  - {{from: a.b, to: c.d}}
  # kept in sight
  - from: a.b  # not here
    to: c.e
"""
    )


def test_comments_stay_with_what_they_are_about() -> None:
    text = """\
# The header stays on top.

metadata: {name: x}   # the name
# about the version
version: "1.0"
nodes:  # all of them

      # about b
      b:
          description: >-  # folded
              one
              two
          transform: {mode: code,  # how
                      # what
                      spec: x}
          # at the end of b

      # at the end of the nodes
edges: [
  # nothing yet
]
# the end
"""
    assert (
        formatted(text)
        == """\
# The header stays on top.

# about the version
version: "1.0"
metadata: {name: x}  # the name

nodes:  # all of them
  # about b
  b:
    description: >-  # folded
      one
      two
    transform:
      mode: code  # how
      # what
      spec: x
    # at the end of b

  # at the end of the nodes

edges: []  # nothing yet
# the end
"""
    )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("'text'", "text"),
        ('"two: words"', '"two: words"'),
        ("'${user_id}'", '"${user_id}"'),
        ("'5'", '"5"'),
        ("0x1F", "0x1F"),
        ("1200.0", "1200.0"),
        ("~", "~"),
        ("", "null"),
        ("!!str 5", '"5"'),
        ("'yes'", '"yes"'),  # a boolean for readers of YAML 1.1
        ("2024-01-01", '"2024-01-01"'),  # a date for them
        ("'say \"hi\"'", 'say "hi"'),
        ('"\\"hi\\", it\'s"', "'\"hi\", it''s'"),
        ('"a\\tb"', '"a\\tb"'),
        ('"a\\nb"', "|-\n    a\n    b"),
        ('" a\\nb\\n"', "|2\n     a\n    b"),
        ('"a\\n\\n"', '"a\\n\\n"'),
        ('"\\e"', '"\\u001b"'),
        ("plain\n    on two lines", ">-\n    plain on two lines"),
        ("1Gi", "1Gi"),
        ("'#'", '"#"'),
        ("- a", "\n    - a"),
        ("&x {a: 1}", "&x {a: 1}"),
    ],
)
def test_scalars(written: str, canonical: str) -> None:
    separator = "\n    " if written.startswith("- ") else " "
    text = formatted(f"metadata:\n  description:{separator}{written}\n")
    assert text == f"metadata:\n  description: {canonical}\n".replace(": \n", ":\n")


def test_value_in_brackets_is_quoted_for_brackets() -> None:
    assert formatted("x-a: {b: 'one, two', c: 'so?', d: -x}\n") == (
        'x-a: {b: "one, two", c: "so?", d: "-x"}\n'
    )


def test_empty_lines_are_kept_one_by_one() -> None:
    text = "edges:\n\n\n  - {from: a.b, to: c.d}\n\n\n\n  - {from: a.b, to: c.e}\n  - {from: a.b, to: c.f}\n"
    assert formatted(text) == (
        "edges:\n  - {from: a.b, to: c.d}\n\n  - {from: a.b, to: c.e}\n  - {from: a.b, to: c.f}\n"
    )


def test_alias_stays_behind_its_anchor() -> None:
    text = "tests: &t [{name: a}]\nx-b: 1\nversion: *t\nmetadata: {name: n}\n"
    assert formatted(text) == ("tests: &t [{name: a}]\nx-b: 1\nversion: *t\nmetadata: {name: n}\n")


def test_comments_around_anchors_and_dashes_are_kept() -> None:
    text = (
        "x-a: &a  # one\n  text\nx-b:\n  -  # two\n    - &b  # three\n      c: 1\nx-c: [*a , *b]\n"
    )
    assert formatted(text) == (
        "x-a: &a text  # one\n\nx-b:\n  -  # two\n    - &b  # three\n      c: 1\n\nx-c: [*a, *b]\n"
    )


def test_json_flow_becomes_canonical_json() -> None:
    text = '{"metadata": {"name": "é", "tags": []}, "version": "1.0"}'
    assert formatted(text, "flow.json") == (
        json.dumps({"version": "1.0", "metadata": {"name": "é", "tags": []}}, indent=2, ensure_ascii=False)
        + "\n"
    )  # fmt: skip


def test_comment_in_json_is_not_lost() -> None:
    with pytest.raises(FormattingError, match="YAML rather than JSON"):
        format_flow("flow.json", b'{"version": "1.0" # one\n}')


@pytest.mark.parametrize(("text", "code"), [("a: [", "E101"), ("- a", "E203"), ("", "E106")])
def test_what_is_no_flow_is_told(text: str, code: str) -> None:
    result = format_flow("flow.yaml", text.encode())
    assert result.after is None
    assert [item.code for item in result.report] == [code]


def test_empty_mapping_keeps_its_comments() -> None:
    assert formatted("# a\n{}  # b\n") == "# a\n# b\n{}\n"


def test_windows_lines_become_lines() -> None:
    assert formatted("version: '1.0'\r\n# c\r\nmetadata:\r\n  name: a\r\n") == (
        'version: "1.0"\n# c\nmetadata:\n  name: a\n'
    )
