"""No input makes a traceback: random bytes, and valid flows with mutations (bounded, seeded)."""

import copy
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irc.diagnostics import Diagnostics
from irc.pipeline import generate
from irc.reading import decode, parse
from tests.irc.compiling import check_text, rendered

VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**40, "", "x", "${query}", "${", "_input.query", "_output", "ask.text",
    "_output.a b", "{{ x }}", "{% for %}", "{{ 9**9**9 }}", "a > 1", "lambda: 1", "\u2028\x85 \x7f",
    "def transform(a, b, c):\n  return {}", "é😀", "\\", '"""', "'", "f'{x!r}'", [], {}, [1], {"a": 1},
    {"file": "x.py"}, {"function": "a.b:c"}, {"$ref": "#"}, "string", "table", "class", "self", "x-a",
    "${a['it\"s']} ${b[\"it's\"]} x", "2024-01-01", "[value for value in value]", "{session_id}", "\0",
]  # fmt: skip
FLOWS = [
    path
    for path in sorted(Path("tests/golden").glob("good_*/flow.*"))
    if path.suffix in {".yaml", ".json"}
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutated(flow: Any, chance: random.Random) -> Any:
    """The flow with one or two changes."""
    flow = json.loads(json.dumps(flow))
    for _ in range(chance.randint(1, 2)):
        path = chance.choice(list(places(flow)))
        parent = flow
        for key in path[:-1]:
            parent = parent[key]
        action = chance.random()
        if action < 0.6:
            parent[path[-1]] = copy.deepcopy(chance.choice(VALUES))
        elif action < 0.8:
            del parent[path[-1]]
        elif isinstance(text := parent[path[-1]], str) and text:
            at = chance.randrange(len(text))
            parent[path[-1]] = text[:at] + chance.choice("'\"\\{}$\n(é\x07:") + text[at + 1 :]
    return flow


def compiles_or_tells(text: str | bytes, name: str = "flow.yaml") -> None:
    """Either findings, or modules that Python takes; within seconds."""
    started = time.process_time()
    result = check_text(text, name=name)
    rendered(result)
    assert result.report.has_errors == (result.compiled is None)
    if result.compiled is not None:
        for file, module in generate(result.compiled).items():
            if file.endswith(".py"):
                compile(module, file, "exec")
    assert time.process_time() - started < 10


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.parent.name)
def test_mutated_flow_compiles_or_is_told(flow: Path) -> None:
    chance = random.Random(flow.parent.name)
    report = Diagnostics()
    source = decode(flow.name, flow.read_bytes(), report)
    document = None if source is None else parse(source, report)
    assert document is not None
    data = document.data
    for _ in range(40):
        compiles_or_tells(json.dumps(mutated(data, chance)), "flow.json")


def test_random_bytes_are_told() -> None:
    chance = random.Random(0)
    alphabet = b"abc:-[]{}&*!|>'\"%@`#,?\n \t\\$\x00\x80\xff"
    for _ in range(300):
        compiles_or_tells(bytes(chance.choices(alphabet, k=chance.randint(0, 80))))


def test_random_structures_are_told() -> None:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    keys = st.sampled_from(
        ["version", "metadata", "nodes", "edges", "context", "tests", "name", "type", "from", "to"]
    )
    trees = st.recursive(
        leaves, lambda x: st.lists(x, max_size=4) | st.dictionaries(keys | st.text(), x, max_size=4)
    )

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(trees)
    def run(data: Any) -> None:
        compiles_or_tells(json.dumps(data), "flow.json")

    run()
