"""Reading YAML and JSON with positions."""

import json
import time

import pytest

from irc.diagnostics import Diagnostics
from irc.reading import decode, parse
from irc.source import Document, SourceFile
from tests.irc.compiling import check_text


def parsed(text: str, name: str = "flow.yaml") -> Document:
    report = Diagnostics()
    document = parse(SourceFile(name, text), report)
    assert document is not None, list(report)
    return document


def first_error(content: bytes, name: str = "flow.yaml") -> tuple[str, int, int]:
    report = Diagnostics()
    source = decode(name, content, report)
    if source is not None:
        parse(source, report)
    item = next(iter(report))
    return item.code, item.span.line, item.span.column


def test_values_and_keys_have_spans() -> None:
    document = parsed("a:\n  b: [1, two]\n")
    assert document.data == {"a": {"b": [1, "two"]}}
    span = document.span(("a", "b", 1))
    assert (span.line, span.column, span.end_line, span.end_column) == (2, 10, 2, 13)
    assert document.key_span(("a", "b")).column == 3
    assert document.span(("a", "absent")).line == 2  # the nearest value around it


def test_a_part_of_a_block_scalar_has_a_span() -> None:
    document = parsed("code: |\n\n    first\n      second\n")
    assert document.data["code"] == "\nfirst\n  second\n"
    start = document.data["code"].index("second")
    span = document.text_span(("code",), start, start + 6)
    assert (span.line, span.column, span.end_column) == (4, 7, 13)
    assert document.block_first_line(("code",)) == 2


@pytest.mark.parametrize("text", ['"a b"', "'a b'", "a b"])
def test_a_part_of_a_scalar_on_one_line_has_a_span(text: str) -> None:
    document = parsed(f"k: {text}\n")
    column = 4 + text.index("b")
    span = document.text_span(("k",), 2, 3)
    assert (span.line, span.column) == (1, column)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\u2028", "\x85"])
def test_lines_end_where_yaml_says(end: str) -> None:
    document = parsed(f"a: 1{end}b: ${{x}}{end}")
    span = document.text_span(("b",), 0, 4)
    assert (span.line, span.column) == (2, 4)
    assert document.source.lines[1] == "b: ${x}"


@pytest.mark.parametrize(
    ("text", "value"),
    [("yes", "yes"), ("on", "on"), ("2024-01-01", "2024-01-01"), ("0x1f", 31), ("0o17", 15),
     ("1e3", 1000.0), (".5", 0.5), ("~", None), ("True", True), ("!!str 5", "5"), ("'5'", "5"),
     ("0123", 123), ("1_000", "1_000"), (".inf", ".inf")],
)  # fmt: skip
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = parsed(f"k: {text}\n").data["k"]
    assert found == value
    assert type(found) is type(value)


def test_json_with_escaped_characters() -> None:
    data = {"a": "😀 \\ud83d \u00e9", "b": {"c": [1.5, None, True]}}
    assert parsed(json.dumps(data), "flow.json").data == data
    assert parsed(json.dumps(data, indent="\t"), "flow.json").data == data


def test_an_alias_is_what_it_stands_for() -> None:
    document = parsed("a: &x {k: 1}\nb: *x\n")
    assert document.data["b"] == {"k": 1}
    assert document.span(("b", "k")).line == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ("E106", 1, 1)),
        (b"a: 1\nb: \xff\n", ("E102", 2, 4)),
        ("a: 1".encode("utf-16"), ("E102", 1, 1)),
        (b"a: 1\na: 2\n", ("E103", 2, 1)),
        (b"a: !!python/name:os.system\n", ("E104", 1, 4)),
        (b"a: !!int '5'\n", ("E104", 1, 4)),
        (b"a: 1e999\n", ("E104", 1, 4)),
        (b"a: " + b"9" * 5000, ("E104", 1, 4)),
        (b"a: \x01\n", ("E101", 1, 4)),
        (b"a: *b\n", ("E101", 1, 4)),
        (b"a: &b [*b]\n", ("E101", 1, 8)),
        (b"[" * 100_000, ("E105", 1, 1)),
        (b"{a: " * 100_000, ("E105", 1, 1)),
        (b"- " * 100_000, ("E105", 1, 1)),
        (b"x" * (5 * 1024 * 1024), ("E105", 1, 1)),
    ],
    ids=range(15),
)
def test_bad_input_is_told_with_its_place(content: bytes, expected: tuple[str, int, int]) -> None:
    assert first_error(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 110)),
        bytes(range(1, 256)) * 16_000,
        b"a-a." * 1_000_000,
        b"${" * 2_000_000,
        b"k: [" + b"1," * 900_000 + b"]",
        b"- a: b\n" * 500_000,
        b"://a:b" * 600_000,
        b"\n".join(b"k%d: 1" % i for i in range(100_000)),
    ],
    ids=["bomb", "bytes", "words", "references", "list", "mappings", "urls", "keys"],
)  # fmt: skip
def test_nonsense_is_refused_in_bounded_time(content: bytes) -> None:
    started = time.process_time()
    assert check_text(content).report.has_errors
    assert time.process_time() - started < 10


def test_columns_after_escaped_pairs_are_those_of_the_file() -> None:
    line = r'{"version": "1.0", "a": "\ud83d\ude00\ud83d\ude00", "bogus": "\ud83d\ude00"}'
    result = check_text(f"\n{line}\n", name="flow.json")
    (found,) = [item for item in result.report if "bogus" in item.message]
    assert (found.span.line, found.span.column) == (2, line.index('"bogus"') + 1)
    cut = line.removesuffix("}") + "]"
    (found,) = check_text(cut, name="flow.json").report
    assert found.span.column == len(cut)


def test_byte_that_is_no_utf8_is_found_on_its_line() -> None:
    (found,) = check_text(b"\xef\xbb\xbfa: 1\r# caf\xc3\xa9 \xff").report
    assert (found.code, found.span.line, found.span.column) == ("E102", 2, 8)


def test_character_that_yaml_forbids_is_found_behind_others_than_ascii() -> None:
    (found,) = check_text('# caf\u00e9s\na: "\u00e9\x01"\n').report
    assert (found.code, found.span.line, found.span.column) == ("E101", 2, 6)


def test_keys_have_tags_and_anchors_as_values_do() -> None:
    assert parsed("&k key: 1\nother: *k\n").data == {"key": 1, "other": "key"}
    assert first_error(b"a: 1\n!foo key: 1\n") == ("E104", 2, 1)
