"""Formatting a flow's file, with a proof that it still says the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from irc.diagnostics import Diagnostics
from irc.formatting.layout import lay_out
from irc.formatting.shapes import ROOT, below, key_order
from irc.formatting.tree import read_tree
from irc.passes.secrets import masked_lines
from irc.reading import decode, parse
from irc.source import SourceFile


class FormattingError(Exception):
    """The flow cannot be formatted without losing something; its message says what."""


@dataclass
class Formatted:
    """What came of one flow.

    Attributes:
        flow: its file, as it was named.
        before, after: the texts; None where there are errors.
        report: findings of reading it.
        sources: lines that findings point into.
    """

    flow: str
    report: Diagnostics
    before: str | None = None
    after: str | None = None
    sources: dict[str, list[str]] = field(default_factory=dict)


def format_flow(name: str, content: bytes) -> Formatted:
    """Lay out a flow; its values are those of before, and so are its comments.

    Reports:
        E101 to E106 as the reader does, E203 where it is no mapping.
    Raises:
        FormattingError: something would be lost.
    """
    result = Formatted(name, Diagnostics())
    source = decode(name, content, result.report)
    if source is None:
        return result
    result.sources[name] = masked_lines(source)
    document = parse(source, result.report)
    if document is None:
        return result
    result.before = content.decode("utf-8")
    if not isinstance(document.data, dict):
        result.report.error("E203", document.span(()), "a flow is a mapping of keys to values")
    elif name.endswith(".json"):
        result.after = _as_json(source.text, document.data)
    else:
        result.after = _as_yaml(source, document.data)
    return result


def _as_json(text: str, data: Any) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise FormattingError(f"it is YAML rather than JSON: {error}") from None
    return json.dumps(_ordered(data, ROOT), indent=2, ensure_ascii=False) + "\n"


def _as_yaml(source: SourceFile, data: Any) -> str:
    tree = read_tree(source)
    for reorder in (True, False):  # an alias must stay behind its anchor
        text = lay_out(tree, reorder=reorder)
        again = SourceFile(source.name, text)
        wanted = _exact(_ordered(data, ROOT) if reorder else data)
        if _said(again) == wanted and sorted(read_tree(again).comments) == sorted(tree.comments):
            return text
    raise FormattingError("its values or its comments would change: this is a defect of irc")


def _said(source: SourceFile) -> str | None:
    """The values of a text; None where it cannot be read."""
    document = parse(source, Diagnostics())
    return None if document is None else _exact(document.data)


def _exact(value: Any) -> str:
    """A value as text that tells 1 from 1.0 and from true, and one order of keys from another."""
    return json.dumps(value)


def _ordered(value: Any, annotations: tuple[Any, ...]) -> Any:
    """A value with the keys of known shapes in the order of the reference."""
    if isinstance(value, dict):
        keys = key_order(annotations, list(value))
        return {key: _ordered(value[key], below(annotations, key)) for key in keys}
    if isinstance(value, list):
        return [_ordered(item, below(annotations, None)) for item in value]
    return value
