"""Whatever stands in a flow, formatting it keeps values and comments, and is done at once."""

import json
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irc.diagnostics import Diagnostics
from irc.formatting.flows import format_flow
from irc.reading import parse
from irc.source import SourceFile

KEYS = st.sampled_from(
    ["version", "metadata", "name", "nodes", "a", "inputs", "outputs", "transform", "spec", "op", "args",
     "edges", "from", "to", "tests", "on", "x-y", "deployment", "two words", "#", "1", "", "<", "- "]
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(["", "yes", "1.0", "null", "a: b", "# no", "- x", "${a.b}", "a\nb", " a\n\n b\n", "\n",
                     "a\n\n", "it's \"x\"", "\\", "a, b", "?", "-", "=", "<<", "é\u2028\ufeff", "1:30", "!x"]),
    st.text(max_size=12),
    st.lists(st.sampled_from(["word", "longer-word", "x"]), min_size=20, max_size=40).map(" ".join),
)  # fmt: skip
SCALARS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0.5, 1.0, -2.25]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)  # fmt: skip
FLOWS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=6)


class Writer:
    """Writes values as YAML in any of its forms, with comments anywhere."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.comments: list[str] = []

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def comment(self) -> str:
        self.comments.append(f"# {len(self.comments)} it's: {{")
        return self.comments[-1]

    def above(self, indent: str) -> list[str]:
        """Comments and empty lines before an entry."""
        lines = []
        if self.chance(5):
            lines.append("")
        if self.chance(4):
            lines.append(" " * self.random.randint(0, len(indent) + 1) + self.comment())
        if self.chance(6):
            lines.append("")
        return lines

    def end(self) -> str:
        return f"  {self.comment()}" if self.chance(4) else ""

    def block(self, value: Any, indent: str) -> list[str]:
        """The lines of a collection that is not empty."""
        lines: list[str] = []
        entries = value.items() if isinstance(value, dict) else ((None, item) for item in value)
        for key, item in entries:
            lines += self.above(indent)
            lines += self.entry(
                indent + (f"{json.dumps(key)}:" if key is not None else "-"), item, indent
            )
        if self.chance(5):
            lines.append(indent + self.comment())
        return lines

    def entry(self, head: str, value: Any, indent: str) -> list[str]:
        if isinstance(value, dict | list) and value and not self.chance(3):
            inner = indent + " " * self.random.randint(1, 4)
            return [head + self.end(), *self.block(value, inner)]
        if isinstance(value, str) and self.is_block(value):
            end = "" if value.endswith("\n") else "-"
            return [
                f"{head} |2{end}{self.end()}",
                *(f"{indent}  {line}" for line in value.rstrip("\n").split("\n")),
            ]
        return [f"{head} {self.flow(value, indent + '   ')}{self.end()}"]

    def is_block(self, value: str) -> bool:
        is_ascii = value.isascii() and value.replace("\n", "").isprintable()
        return is_ascii and value.strip() != "" and not value.endswith("\n\n") and self.chance(2)

    def flow(self, value: Any, indent: str) -> str:
        """A value in brackets, on one line or several."""
        if not isinstance(value, dict | list):
            return self.scalar(value)
        entries = value.items() if isinstance(value, dict) else ((None, item) for item in value)
        parts = [
            (f"{json.dumps(key)}: " if key is not None else "") + self.flow(item, indent)
            for key, item in entries
        ]
        brackets = "{}" if isinstance(value, dict) else "[]"
        text = brackets[0]
        for number, part in enumerate(parts):
            text += part + (", " if number < len(parts) - 1 else "")
            if self.chance(5):
                text += f" {self.comment()}\n{indent}"
        return text + brackets[1]

    def scalar(self, value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if value.isascii() and value.isprintable() and self.chance(2):
            return "'" + value.replace("'", "''") + "'"
        escaped = json.dumps(value, ensure_ascii=False)
        return "".join(
            char if char.isprintable() and char != "\ufeff" else f"\\U{ord(char):08x}"
            for char in escaped
        )


def values(text: str) -> Any:
    report = Diagnostics()
    document = parse(SourceFile("flow.yaml", text), report)
    assert document is not None, list(report)
    return document.data


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FLOWS, st.integers())
def test_values_and_comments_are_kept(flow: dict[str, Any], seed: int) -> None:
    writer = Writer(seed)
    before = "\n".join(writer.block(flow, "")) + "\n"
    assert json.dumps(values(before)) == json.dumps(flow)

    once = format_flow("flow.yaml", before.encode()).after

    assert once is not None
    assert json.dumps(values(once), sort_keys=True) == json.dumps(flow, sort_keys=True)
    for comment in writer.comments:
        assert once.count(comment) == 1
    assert format_flow("flow.yaml", once.encode()).after == once
