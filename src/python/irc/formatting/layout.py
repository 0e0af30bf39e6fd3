"""From a tree to text: two spaces a level, one line where the language's own things fit."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from irc.formatting.scalars import WIDTH, block, inline, key_text
from irc.formatting.shapes import ROOT, below, is_one_line, key_order
from irc.formatting.tree import Alias, Collection, Comment, Entry, Scalar, Tree, Value

Annotations = tuple[Any, ...]


class Spacing(Enum):
    """Which entries of a collection have empty lines around them."""

    SECTIONS = auto()
    """Those that take more than one line: the keys of a flow."""
    NODES = auto()
    """All."""
    AS_WRITTEN = auto()


_TOGETHER = {"version", "metadata"}
"""Keys of a flow that need no empty line between them."""


def lay_out(tree: Tree, *, reorder: bool = True) -> str:
    """The canonical text of a flow.

    Args:
        reorder: whether keys come in the order of the reference; otherwise they stay.
    """
    layout = _Layout(reorder)
    layout.comments(tree.header, "")
    layout.blank(tree.is_apart)
    layout.collection(tree.root, "", ROOT, Spacing.SECTIONS)
    if not tree.root.entries:
        layout.lines.append("{}")
    layout.comments(tree.footer, "")
    return "\n".join(layout.lines).strip("\n") + "\n"


class _Layout:
    def __init__(self, reorder: bool) -> None:
        self.lines: list[str] = []
        self.reorder = reorder

    def comments(self, comments: list[Comment], indent: str) -> None:
        for comment in comments:
            self.blank(comment.blank)
            self.lines.append(indent + comment.text)

    def blank(self, wanted: bool) -> None:
        if wanted and self.lines and self.lines[-1]:
            self.lines.append("")

    def collection(
        self, value: Collection, indent: str, annotations: Annotations, spacing: Spacing
    ) -> None:
        """Write entries below each other, with empty lines where they were and where they belong."""
        spaced_before = False
        above: list[Comment] = []
        entries = self._ordered(value, annotations)
        for number, entry in enumerate(entries):
            at = len(self.lines)
            self.comments([*above, *entry.before, *entry.end[1:]], indent)
            self.blank(entry.blank)
            inner = below(annotations, entry.key.text if entry.key else None)
            self._entry(entry, indent, inner, spacing)
            above = entry.after  # which the eye takes for comments above the next one
            if entry is entries[-1]:
                self.comments(above, indent)
            spaced = self._is_spaced(entry, spacing, len(self.lines) - at - (not self.lines[at]))
            if number and (spaced or spaced_before) and self.lines[at]:
                self.lines.insert(at, "")
            elif not number and spacing is not Spacing.SECTIONS and not self.lines[at]:
                del self.lines[at]
            spaced_before = spaced

    def _is_spaced(self, entry: Entry, spacing: Spacing, lines: int) -> bool:
        """Whether empty lines stand around an entry that has taken so many lines."""
        if spacing is Spacing.SECTIONS:
            return lines > 1 and entry.key is not None and entry.key.text not in _TOGETHER
        return spacing is Spacing.NODES

    def _ordered(self, value: Collection, annotations: Annotations) -> list[Entry]:
        if not value.is_mapping or not self.reorder:
            return value.entries
        entries = {entry.key.text: entry for entry in value.entries if entry.key}
        return [entries[key] for key in key_order(annotations, list(entries))]

    def _entry(self, entry: Entry, indent: str, annotations: Annotations, spacing: Spacing) -> None:
        end = f"  {entry.end[0].text}" if entry.end else ""
        head = indent + (f"{key_text(entry.key, False)}:" if entry.key else "-")
        value = entry.value
        if isinstance(value, Alias):
            self.lines.append(f"{head} *{value.name}{' ' if not entry.key else ''}{end}".rstrip())
            return
        if value.anchor:
            head += f" &{value.anchor}"
        if isinstance(value, Scalar):
            self._scalar(value, head, indent + "  ", end)
            return
        on_line = self._on_line(value, annotations)
        if on_line is not None and (
            not value.entries or len(head) + 1 + len(on_line) + len(end) <= WIDTH
        ):
            self.lines.append(f"{head} {on_line}{end}")
            return
        start = len(self.lines)
        is_nodes = spacing is Spacing.SECTIONS and head == "nodes:"
        inner = Spacing.NODES if is_nodes else Spacing.AS_WRITTEN
        self.collection(value, indent + "  ", annotations, inner)
        if entry.key or value.anchor or end or _is_comment(self.lines[start]):
            self.lines.insert(start, head + end)
        else:
            self.lines[start] = f"{head} {self.lines[start].lstrip(' ')}"

    def _scalar(self, value: Scalar, head: str, indent: str, end: str) -> None:
        lines = block(value)
        if lines is None:
            self.lines.append(f"{head} {inline(value, False)}{end}")
            return
        self.lines.append(f"{head} {lines[0]}{end}")
        self.lines += [f"{indent}{line}" if line else "" for line in lines[1]]

    def _on_line(self, value: Value, annotations: Annotations, nested: bool = False) -> str | None:
        """A value in brackets on one line; None where it does not go or is written otherwise."""
        if isinstance(value, Alias):
            return f"*{value.name}"
        if isinstance(value, Scalar):
            anchor = f"&{value.anchor} " if value.anchor else ""
            return None if "\n" in value.text else anchor + inline(value, True)
        if not (value.flow or nested or not value.entries or is_one_line(annotations)):
            return None
        items = []
        for entry in self._ordered(value, annotations):
            if entry.before or entry.end or entry.after:
                return None
            inner = below(annotations, entry.key.text if entry.key else None)
            text = self._on_line(entry.value, inner, nested=True)
            if text is None:
                return None
            items.append(f"{key_text(entry.key, True)}: {text}" if entry.key else text)
        anchor = f"&{value.anchor} " if nested and value.anchor else ""
        brackets = "{}" if value.is_mapping else "[]"
        return f"{anchor}{brackets[0]}{', '.join(items)}{brackets[1]}"


def _is_comment(line: str) -> bool:
    return line.lstrip(" ").startswith("#")
