"""Reading flows: from bytes to text, and from YAML or JSON text to values with their spans.

YAML is read from the events of libyaml's parser (``yaml.CSafeLoader``), whose marks give the
positions; scalars are resolved by the YAML 1.2 core schema, so that ``on``, ``yes`` and dates
are the strings that they look like.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import yaml

from irc.diagnostics import Diagnostics, Span
from irc.json_escapes import JoinedText
from irc.source import Document, Path, SourceFile

MAX_SIZE_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 100
MAX_VALUES = 500_000

Event = Any
"""An event of libyaml; its types say less than what the events hold."""

_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_CONSTANTS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip


MAX_DIGITS = 300
"""What a number has at most; more than a double can express."""


def plain_value(text: str) -> Any:
    """A plain scalar by the YAML 1.2 core schema (yaml.org/spec/1.2.2, 10.3.2).

    Raises:
        OverflowError: the number is larger than JSON readers can express.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.match(text):
        if len(text) > MAX_DIGITS:
            raise OverflowError
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.match(text):
        number = float(text)
        if math.isinf(number):
            raise OverflowError
        return number
    return text


_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
"""Tags that change nothing but how a plain scalar is read."""


class _TooLarge(Exception):
    """The document is deeper or larger than any flow."""


class _NeedsPositions(Exception):
    """Something is to be reported, and the position of every value may be asked for."""


class _Builder:
    """From libyaml's events to values and spans.

    Events, not composed nodes: libyaml's composer recurses without a bound, and its nodes no
    longer tell `!!str 5` from `5`.

    A span for each value takes as long as reading does, and more memory than the values; of a
    valid flow few are ever asked for. So the first reading keeps those alone (``_KEPT``), and the
    text is read again, for all of them, when another one is asked for.

    Args:
        text: what the loader reads.
        everywhere: keep the span of each value.
    """

    def __init__(
        self,
        document: Document,
        text: JoinedText,
        loader: yaml.CSafeLoader,
        report: Diagnostics,
        *,
        everywhere: bool,
    ) -> None:
        self.document = document
        self.text = text
        self.loader = loader
        self.report = report
        self.everywhere = everywhere
        self.next: Callable[[], Event] = loader.get_event
        self.last: Event = None
        self.count = 0
        self.depth = 0
        self.anchors: dict[str, Any] = {}

    def build_document(self) -> bool:
        """Read the only document; False where there is none."""
        self.next()  # the start of the stream
        if isinstance(self.next(), yaml.StreamEndEvent):
            return False
        self.document.data = self._value(self.next(), ())
        self.next()  # the end of the document
        following = self.next()
        if not isinstance(following, yaml.StreamEndEvent):
            self._error("E101", following, "a flow is one document; a second starts here")
        return True

    def _error(
        self,
        code: str,
        event: Event,
        message: str,
        first: Span | None = None,
        hint: str | None = None,
    ) -> None:
        if not self.everywhere:
            raise _NeedsPositions
        related = [] if first is None else [(first, "first here")]
        self.report.error(code, self._span(event, event), message, related=related, hint=hint)

    def _span(self, first: Event, last: Event) -> Span:
        place = self.text.place
        return Span(self.document.source.name, *place(first.start_mark), *place(last.end_mark))

    def _value(self, event: Event, path: Path | None) -> Any:
        """The value that starts with an event; its span is kept where ``path`` is not None."""
        self.count += 1
        if self.count > MAX_VALUES:
            raise _TooLarge
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self.last = event
            value = self._scalar(event)
            if path is not None:
                self.document.values[path] = self._span(event, event)
                if event.style:
                    self.document.styles[path] = event.style
        elif kind is yaml.AliasEvent:
            self.last = event
            if path is not None:
                self.document.values[path] = self._span(event, event)
            return self._alias(event)
        else:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise _TooLarge
            last: Event
            if kind is yaml.SequenceStartEvent:
                value, last = self._sequence(path)
            else:
                value, last = self._mapping(path)
            self.depth -= 1
            if event.flow_style:
                self.last = last  # a block ends with its last value; its event is that of the next
            if path is not None:
                self.document.values[path] = self._span(event, self.last)
        if event.tag or event.anchor:
            self._note_properties(event, value)
        return value

    def _note_properties(self, event: Event, value: Any) -> None:
        """Look at the tag of a value or a key, and note its anchor."""
        if event.tag and event.tag not in _TAGS:
            self._error("E104", event, f"the tag `{event.tag}` is not part of the language")
        if event.anchor:
            self.anchors[event.anchor] = value

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if event.style or event.tag == "tag:yaml.org,2002:str":
            return event.value
        try:
            return plain_value(event.value)
        except OverflowError:
            self._error("E104", event, "the number is too large")
            return None

    def _alias(self, event: yaml.AliasEvent) -> Any:
        if event.anchor not in self.anchors:
            self._error("E101", event, f"no anchor `&{event.anchor}` stands before this alias")
            return None
        self.document.has_aliases = True
        value = self.anchors[event.anchor]
        self.count += _count(value, MAX_VALUES - self.count)
        return value

    def _sequence(self, path: Path | None) -> tuple[list[Any], Event]:
        result: list[Any] = []
        kept = path is not None and (self.everywhere or len(path) < 2)
        event = self.next()
        while type(event) is not yaml.SequenceEndEvent:
            below = (*path, len(result)) if kept and path is not None else None
            result.append(self._value(event, below))
            event = self.next()
        return result, event

    def _mapping(self, path: Path | None) -> tuple[dict[str, Any], Event]:
        result: dict[str, Any] = {}
        kept = ALL if self.everywhere else _kept(path)
        event = self.next()
        while type(event) is not yaml.MappingEndEvent:
            plain = type(event) is yaml.ScalarEvent
            if plain and event.value not in result and (event.value != "<<" or event.style):
                key = event.value
                if event.tag or event.anchor:
                    self._note_properties(event, key)
                below = None
                if path is not None and (kept is ALL or key in kept):
                    below = (*path, key)
                    if self.everywhere or len(path) < 2:
                        self.document.keys[below] = self._span(event, event)
                result[key] = self._value(self.next(), below)
            else:
                self._refuse_key(event, path)
                self._value(self.next(), None)
            event = self.next()
        return result, event

    def _refuse_key(self, event: Event, path: Path | None) -> None:
        """Report what is no key of the language, or stands twice."""
        if type(event) is not yaml.ScalarEvent:
            self._value(event, None)
            is_template = type(event) is yaml.MappingStartEvent and event.flow_style
            self._error(
                "E104", event, "a key must be a plain string",
                hint="a text that starts with '{{' is written in quotes" if is_template else None,
            )  # fmt: skip
        elif event.value == "<<" and not event.style:
            self._error("E104", event, "merge keys (`<<`) are not part of the language")
        else:
            first = None if path is None else self.document.keys.get((*path, event.value))
            message = f"the key '{event.value}' stands twice in one mapping"
            self._error("E103", event, message, first)


ALL = frozenset(["*"])
NONE: frozenset[str] = frozenset()

_KEPT = (
    ALL,
    ALL,
    frozenset(["transform", "prompt"]),
    frozenset(["spec", "template", "system"]),
    frozenset(["file"]),
)
"""The keys below ``nodes`` whose values' spans are kept in any case, by the depth of their mapping.

They are those that the line map, and the comments of the generated code, refer to.
"""


def _kept(path: Path | None) -> frozenset[str]:
    """The keys of a mapping whose values' spans are kept in any case."""
    if path is None or len(path) >= len(_KEPT) or (len(path) > 1 and path[0] != "nodes"):
        return NONE
    return _KEPT[len(path)]


def _count(value: Any, limit: int) -> int:
    """How many values a value holds; raises _TooLarge past the limit."""
    total, stack = 0, [value]
    while stack:
        total += 1
        if total > limit:
            raise _TooLarge
        top = stack.pop()
        stack.extend(
            top.values() if isinstance(top, dict) else top if isinstance(top, list) else ()
        )
    return total


def decode(name: str, content: bytes, report: Diagnostics) -> SourceFile | None:
    """The text of a file's bytes.

    Reports:
        E105 when it is larger than 4 MiB; E102 at the first byte that is not UTF-8.
    """
    if len(content) > MAX_SIZE_BYTES:
        report.error(
            "E105", Span(name, 1, 1, 1, 1),
            f"the file has {len(content):,} bytes; a flow has at most {MAX_SIZE_BYTES:,}",
        )  # fmt: skip
        return None
    try:
        return SourceFile(name, content.decode("utf-8").removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").removeprefix("\ufeff")
        line, column = SourceFile(name, before).position(len(before))
        report.error(
            "E102", Span(name, line, column, line, column + 1),
            f"the file is not UTF-8: byte 0x{content[error.start]:02x}",
        )  # fmt: skip
        return None


def parse(source: SourceFile, report: Diagnostics) -> Document | None:
    """Parse YAML or JSON text.

    Reports:
        E101 for broken syntax, E103 duplicate keys, E104 YAML that the language leaves out (tags,
        merge keys, keys that are no strings), E105 what is too deep or too large (an alias counts
        as what it stands for), E106 an empty document.
    """
    document = Document(source)
    try:
        _build(document, report, everywhere=False)
        document.locate = partial(_build, document, report, everywhere=True)
    except _NeedsPositions:
        _build(document, report, everywhere=True)
    return None if report.has_errors else document


def _build(document: Document, report: Diagnostics, *, everywhere: bool) -> None:
    source = document.source
    start = Span(source.name, 1, 1, 1, 1)
    text = JoinedText(source)
    loader = yaml.CSafeLoader(text.text)
    try:
        if not _Builder(document, text, loader, report, everywhere=everywhere).build_document():
            report.error("E106", start, "the file holds no document")
    except yaml.MarkedYAMLError as error:
        if error.problem == _TOO_DEEP_FOR_LIBYAML:
            _report_too_large(start, report)
        else:
            _report_syntax(text, error, report)
    except yaml.reader.ReaderError as error:  # a character that YAML forbids
        report.error("E101", text.span_of_byte(error.position), f"not valid YAML: {error.reason}")
    except _TooLarge:
        _report_too_large(start, report)
    finally:
        loader.dispose()


def _report_syntax(text: JoinedText, error: yaml.MarkedYAMLError, report: Diagnostics) -> None:
    source = text.source
    mark = error.problem_mark or error.context_mark
    span = text.span(mark) if mark else Span(source.name, 1, 1, 1, 1)
    related = []
    if error.context and error.context_mark:
        around = text.span(error.context_mark)
        related = [(around, error.context)] if around != span else []
    line = "".join(source.lines[span.line - 1 : span.line])  # none at the end of the file
    tab = line[span.column - 1 : span.column] == "\t"
    hint = "indent with spaces: YAML takes no tabs there" if tab else None
    report.error("E101", span, f"not valid YAML: {error.problem}", related=related, hint=hint)


_TOO_DEEP_FOR_LIBYAML = "exceeded maximum nesting depth"
"""What libyaml says of flow collections within each other, from its version of 2026 on."""


def _report_too_large(start: Span, report: Diagnostics) -> None:
    report.error(
        "E105", start,
        f"the document is nested deeper than {MAX_DEPTH} levels or holds more than {MAX_VALUES:,} values",
    )  # fmt: skip
