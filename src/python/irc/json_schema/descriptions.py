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

# The shapes of irc.ir.model and irc.ops by the table that describes them: the section, its
# number among the section's tables, and what stands before the keys there.
TABLES = {
    "Flow": ("A flow", 0, ""),
    "Node": ("Nodes and ports", 0, ""),
    "Port": ("Nodes and ports", 1, ""),
    "ErrorPort": ("Nodes and ports", 1, ""),
    "Prompt": ("Prompts", 0, ""),
    "Fallback": ("Prompts", -1, ""),
    "Runtime": ("Runtime", 0, ""),
    "State": ("State", 0, ""),
    "Edge": ("Edges", 0, ""),
    "Deployment": ("Deployment", 0, ""),
    "KServe": ("Deployment", 0, "kserve."),
    "Case": ("Tests", 0, ""),
    "Expect": ("Tests", 0, "expect."),
    "Mock": ("Tests", 1, ""),
    "ReadFeatures": ("Operations", 1, ""),
}


def described(shape: str) -> dict[str, str]:
    """What each key of a shape means, as far as the page says it."""
    if shape not in TABLES:
        return {}
    section, number, prefix = TABLES[shape]
    rows = _tables()[section][number]
    return {
        key.removeprefix(prefix): text
        for key, text in rows.items()
        if key.startswith(prefix) and text
    }


def described_operations() -> dict[str, str]:
    """What each built-in operation gives."""
    return _tables()["Operations"][0]


@functools.cache
def _tables() -> dict[str, list[dict[str, str]]]:
    """The tables of each section: key → meaning, with the example behind it."""
    page = importlib.resources.files("irc").joinpath(_PAGE).read_text(encoding="utf-8")
    sections: dict[str, list[dict[str, str]]] = {}
    for part in page.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        tables = re.findall(r"(?:^\|.*\|\n)+", body + "\n", re.MULTILINE)
        sections[title] = [table for text in tables if (table := _table(text))]
    return sections


def _table(text: str) -> dict[str, str]:
    """A table's meanings by key; empty where it is none of keys."""
    head, _, *rows = [
        [cell.strip() for cell in _CELL.split(line)[1:-1]] for line in text.splitlines()
    ]
    column = next((head.index(name) for name in _MEANINGS if name in head), None)
    if column is None:
        return {}
    found = {}
    for row in rows:
        prefix = ""
        for key in re.findall(r"`([^`]+)`", row[0]):
            prefix = prefix or key.rpartition(".")[0] if "." in key and " " not in key else prefix
            name = key if "." in key or not prefix else f"{prefix}.{key}"
            found[name] = _LINK.sub(r"\1", row[column]).replace("\\|", "|")
    return found
