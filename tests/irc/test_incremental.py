"""The cache of compiled nodes: what is compiled again, and that it never shows in the output."""

import itertools
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irc.cache import Cache
from irc.cli.caching import open_cache
from irc.pipeline import Result, check, generate
from tests.irc.compiling import BASE, code_node, rendered

CLEAN = "def transform(i, c, s):\n    return {'text': i['text'].strip()}"
LOUD = "def transform(i, c, s):\n    return {'text': i['text'].upper()}"
IN, OUT = "{name: text, type: string}", "{name: text, type: string}"
PROMPT = """\
  ask:
    inputs: [{name: text, type: string}]
    outputs: [{name: text, type: string}]
    prompt:
      template: {file: prompts/ask.j2}
      model: {provider: openai, name: m}
"""
EDGES = "edges: [{from: _input.query, to: clean}, {from: clean, to: loud}, {from: loud, to: ask}, {from: ask, to: _output}]\n"
FLOW = (
    BASE + "nodes:\n" + code_node("clean", IN, OUT, CLEAN) + code_node("loud", IN, OUT, LOUD)
    + PROMPT + EDGES
)  # fmt: skip
FILES = {"prompts/ask.j2": "Say {{ text }} in {{ context.locale }}."}


def compiled(text: str, files: Mapping[str, str | bytes], cache: Cache | None) -> Result:
    contents: dict[str, str | bytes] = {"flow.yaml": text, **files}

    def read(name: str) -> bytes:
        if name not in contents:
            raise FileNotFoundError(name)
        content = contents[name]
        return content.encode() if isinstance(content, str) else content

    return check("flow.yaml", read, cache=cache)


def output(result: Result) -> Any:
    """All that a user gets."""
    return rendered(result), None if result.compiled is None else generate(result.compiled)


def reasons(result: Result) -> dict[str, str]:
    """Why nodes were compiled."""
    return {item.node: item.reason for item in result.outcomes if item.reason is not None}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """A cache that holds the nodes of FLOW."""
    cache = Cache(tmp_path)
    assert set(reasons(compiled(FLOW, FILES, cache))) == {"clean", "loud", "ask"}
    return cache


def test_nothing_is_compiled_twice(cache: Cache) -> None:
    result = compiled(FLOW, FILES, cache)
    assert reasons(result) == {}
    assert output(result) == output(compiled(FLOW, FILES, None))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("i['text'].upper()", "i['text'].lower()", {"loud": "its text changed"}),
        ("metadata: {name: sample}", "# a comment\nmetadata: {name: other}", {}),
        ("{from: ask, to: _output}", "{from: ask, to: _output.text}", {}),
        ("  loud:\n", "  # about loud\n  loud:\n", {}),
        (
            "optional: [locale]",
            "optional: [locale, tone]",
            dict.fromkeys(["clean", "loud", "ask"], "the flow's context changed"),
        ),
    ],
)
def test_only_what_depends_on_an_edit_is_compiled(
    cache: Cache, old: str, new: str, expected: dict[str, str]
) -> None:
    edited = FLOW.replace(old, new)
    assert edited != FLOW
    result = compiled(edited, FILES, cache)
    assert reasons(result) == expected
    assert output(result) == output(compiled(edited, FILES, None))


def test_file_that_changed_is_named(cache: Cache) -> None:
    files = {"prompts/ask.j2": "Tell {{ text }} in {{ context.locale }}."}
    result = compiled(FLOW, files, cache)
    assert reasons(result) == {"ask": "prompts/ask.j2 changed"}
    assert output(result) == output(compiled(FLOW, files, None))


def test_connected_error_port_is_a_reason(cache: Cache) -> None:
    port = FLOW.replace("  loud:\n", "  loud:\n    error: {name: bad}\n")
    compiled(port, FILES, cache)
    connected = port.replace("{from: ask, to: _output}", "{from: ask, to: _output.a}, {from: loud.bad, to: _output.b}")
    assert reasons(compiled(connected, FILES, cache)) == {"loud": "its error port changed"}


def test_name_that_another_node_takes_is_a_reason(cache: Cache) -> None:
    helped = "def helper(x):\n    return x\n\n\ndef transform(i, c, s):\n    return helper(i['text'])"
    one = FLOW.replace(code_node("loud", IN, OUT, LOUD), code_node("loud", IN, OUT, helped))
    compiled(one, FILES, cache)
    two = one.replace(code_node("clean", IN, OUT, CLEAN), code_node("clean", IN, OUT, helped))
    result = compiled(two, FILES, cache)
    assert reasons(result) == {
        "clean": "its text changed",
        "loud": "another node has taken one of its names",
    }
    assert output(result) == output(compiled(two, FILES, None))


def test_alias_is_what_it_stands_for(cache: Cache) -> None:
    text = BASE.replace("}\n", "}\nx-code: &c {mode: code, spec: 'def transform(i, c, s): return 1'}\n", 1)
    text += "nodes:\n  a: {outputs: [{name: n, type: number}], transform: *c}\n"
    text += "edges: [{from: a, to: _output}]\n"
    compiled(text, {}, cache)
    edited = text.replace("return 1", "return 2")
    result = compiled(edited, {}, cache)
    assert reasons(result) == {"a": "its text changed"}
    assert output(result) == output(compiled(edited, {}, None))


def test_node_with_a_warning_is_told_each_time(cache: Cache) -> None:
    text = FLOW.replace("def transform(i, c, s):\n            return {'text': i['text'].strip()}",
                        "def transform(i, c, s):\n            await s\n            return {}")  # fmt: skip
    for _ in range(2):
        result = compiled(text, FILES, cache)
        assert "W406" in rendered(result)
        assert "clean" in reasons(result)


def test_mistake_is_told_each_time(cache: Cache) -> None:
    text = FLOW.replace("i['text'].strip()", "(")
    for _ in range(2):
        result = compiled(text, FILES, cache)
        assert "E406" in rendered(result)
        assert output(result) == output(compiled(text, FILES, None))


ONE_NODE = f"""{BASE}nodes:
  a:
    inputs: [{IN}]
    outputs: [{{name: text, type: string%s}}]
%s
edges: [{{from: _input.query, to: a.text}}, {{from: a.text, to: _output}}]
"""
ASKED = "    prompt: {template: %s, model: {provider: openai, name: m}}"
BY_SCHEMA = ONE_NODE % (", schema: {$ref: z.json}", ASKED % "'{{ text }}'")
IN_QUOTES = r"""    transform: {mode: code, spec: "def transform(i, c, s):\n  x = i\n  return {'text': x}"}"""
BY_ALIAS = "    transform: {mode: code, spec: *code}"
ANCHORED = "x-code: &code |\n  def transform(i, c, s):\n    x = i\n    return {'text': x}\n"


@pytest.mark.parametrize(
    ("text", "files", "edited", "edited_files"),
    [
        (ONE_NODE % ("", ASKED % '"one\n  two"'), {}, ONE_NODE % ("", ASKED % '"one\u2028  two"'), {}),
        (ONE_NODE % ("", IN_QUOTES), {}, ONE_NODE % ("", IN_QUOTES + "\n    # comment\n # comment"), {}),
        (
            ANCHORED + ONE_NODE % ("", BY_ALIAS), {},
            ANCHORED + ONE_NODE % ("", BY_ALIAS + "\n    # comment\n # comment"), {},
        ),
        (
            ONE_NODE % ("", ASKED % "{file: a.j2}"), {"a.j2": "{{ text }}"},
            ONE_NODE % ("", ASKED % "{file: a.j2}"), {"a.j2": b"{{ text }} \xff"},
        ),
        (
            BY_SCHEMA, {"z.json": '{"$ref": "a.json"}', "a.json": '{"type": "string"}'},
            BY_SCHEMA, {"z.json": '{"type": "string"}', "a.json": '{"type": "string"}'},
        ),
    ],
    ids=["kind of break", "below quoted code", "below an alias", "file no longer UTF-8", "file no longer used"],
)  # fmt: skip
def test_edit_gives_what_a_clean_build_gives(
    cache: Cache, text: str, files: dict[str, str], edited: str, edited_files: dict[str, str]
) -> None:
    assert compiled(text, files, cache).compiled is not None
    assert output(compiled(edited, edited_files, cache)) == output(
        compiled(edited, edited_files, None)
    )


@pytest.mark.parametrize("content", ['{"type": ', b"\xff"])
def test_broken_file_is_told_to_each_node_that_refers_to_it(
    cache: Cache, content: str | bytes
) -> None:
    other = BY_SCHEMA.partition("nodes:\n")[2].partition("edges:")[0].replace("  a:", "  b:")
    both = BY_SCHEMA.replace("edges: [", other + "edges: [{from: a.text, to: b.text}, ")
    compiled(both, {"z.json": content}, cache)
    alone = both.replace(", schema: {$ref: z.json}", "", 1)
    assert "z.json" in rendered(compiled(alone, {"z.json": content}, cache))


# What may happen to the file


@pytest.mark.parametrize("content", [b"", b"nonsense" * 2000, None], ids=["empty", "noise", "cut"])
def test_broken_file_is_compiled_around_and_replaced(cache: Cache, content: bytes | None) -> None:
    cache.close()
    whole = cache.path.read_bytes()
    cache.path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    for _ in range(2):
        broken = Cache(cache.path.parent)
        assert output(compiled(FLOW, FILES, broken)) == output(compiled(FLOW, FILES, None))
        broken.close()
    assert reasons(compiled(FLOW, FILES, Cache(cache.path.parent))) == {}


@pytest.mark.parametrize("value", ["", "[]", '[{}, [1, 2, 3, 4, 5, 6]]', "\0"])
def test_changed_result_is_not_believed(cache: Cache, value: str) -> None:
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE results SET value = ?", (value,))
    result = compiled(FLOW, FILES, cache)
    assert set(reasons(result)) == {"clean", "loud", "ask"}
    assert output(result) == output(compiled(FLOW, FILES, None))


def test_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "below")
    assert output(compiled(FLOW, FILES, cache)) == output(compiled(FLOW, FILES, None))


def test_file_that_another_process_took_away_is_done_without(cache: Cache) -> None:
    cache.path.unlink()
    edited = FLOW.replace(".upper()", ".lower()")
    assert output(compiled(edited, FILES, cache)) == output(compiled(edited, FILES, None))
    again = Cache(cache.path.parent)
    compiled(edited, FILES, again)
    assert reasons(compiled(edited, FILES, again)) == {}


@pytest.mark.parametrize("value", ["x'01ff'", "CAST(x'01ff' AS TEXT)"], ids=["bytes", "no UTF-8"])
def test_result_that_is_no_text_is_compiled_anew(cache: Cache, value: str) -> None:
    with sqlite3.connect(cache.path) as connection:
        connection.execute(f"UPDATE results SET value = {value}")
    compiled(FLOW, FILES, cache)
    again = Cache(cache.path.parent)
    compiled(FLOW, FILES, again)
    assert reasons(compiled(FLOW, FILES, again)) == {}


def test_broken_file_that_cannot_be_removed_is_done_without(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.close()
    cache.path.write_bytes(b"nonsense" * 2000)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)
    broken = Cache(cache.path.parent)
    assert output(compiled(FLOW, FILES, broken)) == output(compiled(FLOW, FILES, None))


def test_user_without_a_home_has_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("IRC_CACHE_DIR")

    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert open_cache(None) is None


def test_size_is_bounded(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=100_000)
    for number in range(40):
        text = FLOW.replace("i['text'].upper()", f"i['text'] * {number}" + f"  # {'x' * 2000}")
        compiled(text, FILES, cache)
        assert cache.path.stat().st_size < 150_000


PROCESS = """
import sys
from pathlib import Path
from irc.cache import Cache
from tests.irc.test_incremental import FILES, FLOW, compiled, output
for number in range(int(sys.argv[2])):
    text = FLOW.replace(".upper()", f".upper() * {number % 5}")
    assert output(compiled(text, FILES, Cache(Path(sys.argv[1])))) == output(compiled(text, FILES, None))
"""


def test_processes_share_a_cache(tmp_path: Path) -> None:
    path = [str(Path(entry).resolve()) for entry in sys.path]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{PROCESS}", tmp_path, "15"]
        )
        for _ in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    last = FLOW.replace(".upper()", ".upper() * 4")
    assert reasons(compiled(last, FILES, Cache(tmp_path))) == {}


# Any flow, any edits


NODES = ["a", "b", "helper", "text", "a_transform", "list"]


@st.composite
def node_text(draw: st.DrawFn, name: str) -> str:
    kind = draw(st.sampled_from(["code", "helped", "format", "filter", "prompt"]))
    word = draw(st.sampled_from(["x", "y'\"", "é"]))
    if kind == "code":
        return code_node(name, IN, OUT, f"def transform(i, c, s):\n    return {word!r}", draw(more()))
    if kind == "helped":
        code = f"import json\n\ndef helper(x):\n    return {word!r}\n\ndef transform(i, c, s):\n    return helper(json)"
        return code_node(name, IN, OUT, code)
    head = f"  {name}:\n    inputs: [{IN}]\n"
    if kind == "prompt":
        return head + (
            f"    outputs: [{OUT}]\n    prompt:\n"
            f"      template: {{file: {draw(st.sampled_from(['one.j2', 'two.j2']))}}}\n"
            "      model: {provider: openai, name: m}\n"
        )
    spec = {
        "format": "{op: io.format_response, args: {template: '${text} ${context.query}'}}",
        "filter": "{op: transform.filter, args: {input: '${text}', expression: item != 1}}",
    }[kind]
    return head + f"    outputs: [{OUT}]\n    transform: {{mode: declarative, spec: {spec}}}\n"


def more() -> st.SearchStrategy[str]:
    """Further keys of a node."""
    return st.sampled_from(
        ["", "description: A node.", "runtime: {retries: 2}", "error: {name: bad}", "# a comment"]
    )


@st.composite
def flows(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    names = draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=5, unique=True))
    context = draw(st.sampled_from(["optional: [locale]", "optional: [locale, tone]"]))
    text = BASE.replace("optional: [locale]", context) + draw(st.sampled_from(["", "# one\n\n"]))
    text += "nodes:\n" + "".join(draw(node_text(name)) for name in names)
    edges = [f"{{from: _input.query, to: {names[0]}}}"]
    edges += [f"{{from: {a}.text, to: {b}}}" for a, b in itertools.pairwise(names)]
    edges.append(f"{{from: {names[-1]}.text, to: _output.text}}")
    if "error: {name: bad}" in text and draw(st.booleans()):
        edges.append(f"{{from: {names[0]}.bad, to: _output.bad}}")
    files = {name: draw(st.sampled_from(["{{ text }}", "{{ text }}!", "{{ nothing }}"]))
             for name in ("one.j2", "two.j2")}  # fmt: skip
    return text + f"edges: [{', '.join(edges)}]\n", files


@settings(
    max_examples=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(flows(), min_size=2, max_size=5))
def test_any_sequence_of_flows_gives_what_clean_builds_give(
    tmp_path: Path, versions: list[tuple[str, dict[str, str]]]
) -> None:
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    cache = Cache(tmp_path / "cache")
    for text, files in [*versions, *versions]:
        assert output(compiled(text, files, cache)) == output(compiled(text, files, None))
    cache.close()
