"""What docs/language.md says of each key, from its tables; the page ships with the package."""

from __future__ import annotations

import functools
import importlib.resources
import re

_PAGE = "language.md"
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_MEANINGS = ("meaning", "the attempt", "result")
"""Headers of the column that says what a key means."""

TABLES = {
    "Flow": ("A flow", "key", 0),
    "Node": ("Nodes and ports", "key", 0),
    "Port": ("Nodes and ports", "key", 1),
    "ErrorPort": ("Nodes and ports", "key", 1),
    "Prompt": ("Prompts", "key", 0),
    "Fallback": ("Prompts", "key of `fallback`", 0),
    "Tool": ("Prompts", "key of a tool", 0),
    "Runtime": ("Runtime", "key", 0),
    "State": ("State", "key", 0),
    "Edge": ("Edges", "key", 0),
    "Deployment": ("Deployment", "key", 0),
    "KServe": ("Deployment", "key", 0),
    "Case": ("Tests", "key of `tests[]`", 0),
    "Expect": ("Tests", "key of `tests[]`", 0),
    "Mock": ("Tests", "outcome", 0),
    "ReadFeatures": ("Operations", "argument", 0),
}
"""The table of each shape: its section, the head of its first column, its number among such tables."""
PREFIXES = {"KServe": "kserve.", "Expect": "expect."}
"""What stands before the keys of shapes that share a table with the shape around them."""


def described(shape: str) -> dict[str, str]:
    """What each key of a shape means, as far as the page says it."""
    if shape not in TABLES:
        return {}
    section, head, number = TABLES[shape]
    prefix = PREFIXES.get(shape, "")
    rows = _tables()[section, head][number]
    return {
        key.removeprefix(prefix): text
        for key, text in rows.items()
        if key.startswith(prefix) and text
    }


def described_operations() -> dict[str, str]:
    """What each built-in operation gives."""
    return _tables()["Operations", "op"][0]


@functools.cache
def _tables() -> dict[tuple[str, str], list[dict[str, str]]]:
    """Meanings by key, of the tables by section and head of the first column."""
    page = importlib.resources.files("irc").joinpath(_PAGE).read_text(encoding="utf-8")
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for part in page.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        for text in re.findall(r"(?:^\|.*\|\n)+", body + "\n", re.MULTILINE):
            head, _, *rows = [
                [cell.strip() for cell in _CELL.split(line)[1:-1]] for line in text.splitlines()
            ]
            column = next((head.index(name) for name in _MEANINGS if name in head), None)
            if column is not None:
                found.setdefault((title, head[0]), []).append(_meanings(rows, column))
    return found


def _meanings(rows: list[list[str]], column: int) -> dict[str, str]:
    """The meaning of each key of a row; what stands before the first one holds for all."""
    found = {}
    for row in rows:
        prefix = ""
        for key in re.findall(r"`([^`]+)`", row[0]):
            name = key if "." in key or not prefix else f"{prefix}.{key}"
            prefix = prefix or key.rpartition(".")[0]
            found[name] = _LINK.sub(r"\1", row[column]).replace("\\|", "|")
    return found
