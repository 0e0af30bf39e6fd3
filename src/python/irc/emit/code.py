"""Pieces of Python code as small trees, laid out so that lines stay within the limit."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LINE_LENGTH = 100
INDENT = "    "


@dataclass(frozen=True)
class Call:
    """``function(arguments, name=value)``."""

    function: str
    arguments: tuple[Code, ...] = ()
    keywords: tuple[tuple[str, Code], ...] = ()


@dataclass(frozen=True)
class Items:
    """A list, tuple or other bracketed sequence."""

    items: tuple[Code, ...]
    brackets: str = "[]"


@dataclass(frozen=True)
class Mapped:
    """A dict; keys are code."""

    items: tuple[tuple[str, Code], ...]


@dataclass(frozen=True)
class Comprehension:
    """``[element for … if …]``; each clause is text."""

    element: Code
    clauses: tuple[str, ...]


Code = str | Call | Items | Mapped | Comprehension
"""An expression: text as it is, or a tree that can be broken over lines."""


def render(code: Code, indent: int = 0, before: int = 0, after: int = 0) -> str:
    """Lay out an expression.

    Args:
        code: the expression.
        indent: the indentation of its line, in steps.
        before: how many characters stand before it on its first line, indentation included.
        after: how many follow it on its last line.
    """
    flat = _flat(code)
    if isinstance(code, str) or ("\n" not in flat and before + len(flat) + after <= LINE_LENGTH):
        return flat
    inner = INDENT * (indent + 1)
    if isinstance(code, Comprehension):
        element = render(code.element, indent + 1, len(inner))
        lines = [inner + part for part in (element, *code.clauses)]
        return "\n".join(["[", *lines, INDENT * indent + "]"])
    opening, parts, closing = _parts(code)
    if not parts:
        return opening + closing
    comma = "" if len(parts) == 1 and isinstance(code, Call) else ","
    lines = [
        inner + prefix + render(part, indent + 1, len(inner) + len(prefix), 1) + comma
        for prefix, part in parts
    ]
    return "\n".join([opening, *lines, INDENT * indent + closing])


def _flat(code: Code) -> str:
    """The expression on one line."""
    if isinstance(code, str):
        return code
    if isinstance(code, Call):
        parts = [item if item.__class__ is str else _flat(item) for item in code.arguments]
        parts += [f"{name}={value if value.__class__ is str else _flat(value)}" for name, value in code.keywords]
        return f"{code.function}({', '.join(parts)})"
    if isinstance(code, Mapped):
        items = [f"{key}: {value if value.__class__ is str else _flat(value)}" for key, value in code.items]
        return f"{{{', '.join(items)}}}"
    if isinstance(code, Items):
        inner = ", ".join([item if item.__class__ is str else _flat(item) for item in code.items])
        comma = "," if code.brackets == "()" and len(code.items) == 1 else ""
        return code.brackets[0] + inner + comma + code.brackets[1]
    return f"[{' '.join([_flat(code.element), *code.clauses])}]"


def _parts(code: Call | Items | Mapped) -> tuple[str, list[tuple[str, Code]], str]:
    if isinstance(code, Call):
        arguments: list[tuple[str, Code]] = [("", item) for item in code.arguments]
        arguments += [(f"{name}=", value) for name, value in code.keywords]
        return code.function + "(", arguments, ")"
    if isinstance(code, Items):
        return code.brackets[0], [("", item) for item in code.items], code.brackets[1]
    return "{", [(f"{key}: ", value) for key, value in code.items], "}"


def literal(value: Any) -> Code:
    """A JSON value as code; strings in double quotes."""
    if isinstance(value, dict):
        return Mapped(tuple((quoted(str(key)), literal(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return Items(
            tuple(literal(item) for item in value), "()" if isinstance(value, tuple) else "[]"
        )
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """A string literal on one line, in the quotes that need fewer escapes; double ones on a tie."""
    if text.isprintable():
        mark = "'" if text.count('"') > text.count("'") else '"'
        return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark
    return (
        json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f")
        if _json_safe(text)
        else repr(text)
    )


def escaped(text: str) -> str:
    """A text as it stands between double quotes."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in plain
    )


def _json_safe(text: str) -> bool:
    """Whether JSON's escapes of the text mean the same in Python."""
    return all(char.isprintable() or char in "\n\t\r\b\f" for char in text)


def block_text(text: str) -> str:
    """A string literal that shows a text of several lines as it is."""
    lines_ok = all(line.isprintable() and len(line) <= LINE_LENGTH for line in text.split("\n"))
    if (
        "\n" not in text
        or not lines_ok
        or '"""' in text
        or any(line != line.rstrip() for line in text.split("\n"))
    ):
        return _pieces(text)
    body = text.replace("\\", "\\\\")
    if body.endswith('"'):
        body = body[:-1] + '\\"'
    return '"""\\\n' + body + '"""'


def _pieces(text: str) -> str:
    """A long text as adjacent literals, one a line of the text."""
    parts = [quoted(line) for line in text.splitlines(keepends=True)] or ['""']
    return (
        parts[0]
        if len(parts) == 1
        else "(\n" + "".join(f"{INDENT}{part}\n" for part in parts) + ")"
    )


def call(function: str, *arguments: Code, **keywords: Code) -> Call:
    return Call(function, arguments, tuple(keywords.items()))


def mapped(items: Mapping[str, Code] | Iterable[tuple[str, Code]]) -> Mapped:
    """A dict with string keys."""
    pairs = items.items() if isinstance(items, Mapping) else items
    return Mapped(tuple((quoted(key), value) for key, value in pairs))


def strings(values: Sequence[str]) -> Items:
    """A tuple of strings."""
    return Items(tuple(quoted(value) for value in values), "()")


def docstring(text: str) -> str:
    """A docstring; a long one is folded."""
    printable = text
    if not text.isprintable():
        printable = "".join(char if char.isprintable() else " " for char in text)
    clean = " ".join(printable.split()).replace("\\", "\\\\").replace('"""', "'''")
    if clean.endswith('"'):
        clean += " "
    if len(clean) <= 86:
        return f'"""{clean}"""'
    first, *rest = textwrap.wrap(clean, 84, break_long_words=False)
    return '"""' + "\n".join([first, *("    " + line for line in rest)]) + '\n    """'
