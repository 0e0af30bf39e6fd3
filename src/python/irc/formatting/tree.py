"""A YAML text as a tree that keeps what values do not say: styles, anchors, comments, blank lines.

Values come from ``irc.reading``; this tree says how they stand in the text. It is built from
libyaml's events. A comment is what starts with ``#`` outside of scalars, and belongs to an entry:
before it, at the end of its line, or after all that is below it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from irc.reading import plain_value
from irc.source import SourceFile


@dataclass(frozen=True)
class Comment:
    """One comment, from ``#`` on; ``blank`` where an empty line stands above it."""

    text: str
    blank: bool = False


@dataclass
class Scalar:
    """A scalar that is no alias.

    Attributes:
        text: its value as text, folded and unescaped.
        style: how it is written: ``|``, ``>``, ``'``, ``"`` or empty for a plain one.
        raw: how it stands in the source.
        is_text: whether it is a string, whatever it looks like.
    """

    text: str
    style: str
    raw: str
    is_text: bool
    anchor: str | None = None


@dataclass
class Alias:
    name: str


@dataclass
class Entry:
    """A key with its value, or an item of a list.

    Attributes:
        key: None for an item.
        blank: whether an empty line stands right above it.
        column: of the key or of the item's dash.
        before, end, after: comments above it, at the end of its line, and below all of it.
    """

    key: Scalar | None
    value: Value
    start: int
    column: int
    blank: bool = False
    parent: Entry | None = None
    before: list[Comment] = field(default_factory=list)
    end: list[Comment] = field(default_factory=list)
    after: list[Comment] = field(default_factory=list)


@dataclass
class Collection:
    """A mapping or a list.

    Attributes:
        flow: whether it is written in brackets.
        span: offsets of its brackets; only for one that is.
    """

    is_mapping: bool
    flow: bool
    entries: list[Entry] = field(default_factory=list)
    anchor: str | None = None
    span: tuple[int, int] = (0, 0)


Value = Scalar | Alias | Collection


@dataclass
class Tree:
    """A document.

    Attributes:
        header: comments above the first key; they stay on top.
        is_apart: whether an empty line stands below the header.
        footer: comments at the left margin below everything.
        comments: the texts of all comments, in the order of the file.
    """

    root: Collection
    header: list[Comment] = field(default_factory=list)
    is_apart: bool = False
    footer: list[Comment] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def read_tree(source: SourceFile) -> Tree:
    """Read a text that ``irc.reading.parse`` has accepted, a mapping."""
    builder = _Builder(source)
    root = builder.build()
    assert isinstance(root, Collection)
    tree = Tree(root)
    _Attaching(source, builder, tree).attach()
    return tree


class _Builder:
    """From events to values, noting where scalars and entries stand."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.events: Iterator[Any] = iter(yaml.parse(source.text, Loader=yaml.CSafeLoader))
        self.dashes = (
            token.start_mark
            for token in yaml.scan(source.text, Loader=yaml.CSafeLoader)
            if isinstance(token, yaml.BlockEntryToken)
        )
        self.scalars: list[tuple[int, int]] = []
        self.entries: list[Entry] = []
        self.points: list[tuple[int, int, Entry]] = []
        """Ends of keys, scalars and brackets, with their lines: a comment behind one is its entry's."""

    def build(self) -> Value:
        next(self.events)
        next(self.events)
        return self._value(next(self.events), None)

    def _value(self, event: Any, entry: Entry | None) -> Value:
        if isinstance(event, yaml.AliasEvent):
            self._point(event.end_mark, entry)
            return Alias(str(event.anchor))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, entry)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        collection = Collection(is_mapping, bool(event.flow_style), anchor=event.anchor)
        if collection.flow and entry is not None:
            self._point(event.end_mark, entry)
        end: Any = yaml.MappingEndEvent if is_mapping else yaml.SequenceEndEvent
        item = next(self.events)
        while not isinstance(item, end):
            collection.entries.append(self._entry(item, event, entry))
            item = next(self.events)
        if collection.flow:
            collection.span = (event.start_mark.index, item.end_mark.index)
            self._point(item.end_mark, entry)
        return collection

    def _entry(self, first: Any, collection: Any, parent: Entry | None) -> Entry:
        is_item = isinstance(collection, yaml.SequenceStartEvent)
        is_dashed = is_item and not collection.flow_style
        start = next(self.dashes) if is_dashed else first.start_mark
        blank = start.line > 0 and not self.source.lines[start.line - 1].strip()
        entry = Entry(None, Alias(""), start.index, start.column, blank, parent)
        if is_dashed:
            self._point(start, entry)
        self.entries.append(entry)
        if not is_item:
            entry.key = self._scalar(first, entry)
            first = next(self.events)
        entry.value = self._value(first, entry)
        return entry

    def _scalar(self, event: Any, entry: Entry | None) -> Scalar:
        end = event.end_mark.index
        start = event.start_mark.index
        if event.anchor or event.tag:
            properties = _PROPERTIES.match(self.source.text, start, end)
            start = properties.end() if properties else start
        raw = self.source.text[start:end]
        self.scalars.append((start, end))
        if event.style in {"|", ">"}:  # the header's comment stands within the scalar
            _, hash_, comment = raw.partition("\n")[0].partition("#")
            if hash_ and entry is not None:
                entry.end.append(Comment(f"#{comment}".rstrip()))
        else:
            self._point(event.end_mark, entry)
        is_text = bool(event.style) or event.tag == "tag:yaml.org,2002:str"
        is_text = is_text or isinstance(plain_value(event.value), str)
        return Scalar(event.value, event.style or "", raw, is_text, event.anchor)

    def _point(self, mark: Any, entry: Entry | None) -> None:
        if entry is not None:
            self.points.append((mark.index, mark.line, entry))


class _Attaching:
    """Finds comments and gives each to its entry."""

    def __init__(self, source: SourceFile, builder: _Builder, tree: Tree) -> None:
        self.source = source
        self.scalars = builder.scalars
        self.tree = tree
        self.entries = builder.entries
        self.starts = [entry.start for entry in self.entries]
        self.points = sorted(builder.points, key=lambda point: point[0])
        self.ends = [offset for offset, _, _ in self.points]

    def attach(self) -> None:
        self.tree.comments = [comment.text for entry in self.entries for comment in entry.end]
        for match in self._matches():
            line, column = self.source.position(match.start())
            comment = Comment(
                match[0].rstrip(), line > 1 and not self.source.lines[line - 2].strip()
            )
            self.tree.comments.append(comment.text)
            self._place(comment, match.start(), line - 1, column - 1)
        for first in self.tree.root.entries[:1]:
            self.tree.is_apart, first.blank = bool(self.tree.header) and first.blank, False

    def _matches(self) -> Iterator[re.Match[str]]:
        """Between scalars, the first ``#`` of a line starts a comment."""
        at = 0
        size = len(self.source.text)
        for start, end in [*self.scalars, (size, size)]:
            yield from _COMMENT.finditer(self.source.text, at, start)
            at = end

    def _place(self, comment: Comment, offset: int, line: int, column: int) -> None:
        index = bisect.bisect_right(self.ends, offset) - 1
        if index >= 0 and self.points[index][1] == line:
            self.points[index][2].end.append(comment)
            return
        following = bisect.bisect_right(self.starts, offset)
        if following == 0:
            self.tree.header.append(comment)
            return
        last = self.entries[following - 1]
        after = self.entries[following] if following < len(self.entries) else None
        around = _around(last, offset)
        if around is not None:
            _place_inside(comment, around, after)
        elif after is not None and column <= after.column:
            after.before.append(comment)
        elif after is None and column == 0:
            self.tree.footer.append(comment)
        else:
            while last.column > column and last.parent is not None:
                last = last.parent
            if after is not None and after.parent is last.parent:
                after.before.append(comment)
            else:
                last.after.append(comment)


_PROPERTIES = re.compile(r"([&!][^\s,\[\]{}]*(\s|(?<=\s)#[^\n]*)*)*")
"""Anchor and tag, and what may stand between them and the value."""
_COMMENT = re.compile("#[^\n\r\x85\u2028\u2029]*")


def _around(last: Entry, offset: int) -> Entry | None:
    """The entry whose brackets are the innermost around an offset.

    Args:
        last: the last entry that starts before it.
    """
    entry: Entry | None = last
    while entry is not None:
        value = entry.value
        if isinstance(value, Collection) and value.span[0] < offset < value.span[1]:
            return entry
        entry = entry.parent
    return None


def _place_inside(comment: Comment, owner: Entry, after: Entry | None) -> None:
    """Place a comment that stands within brackets on a line of its own."""
    assert isinstance(owner.value, Collection)
    if after is not None and after.parent is owner:
        after.before.append(comment)
    elif owner.value.entries:
        owner.value.entries[-1].after.append(comment)
    else:
        owner.end.append(comment)
