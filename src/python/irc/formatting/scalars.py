"""Scalars in their canonical form: plain where that is safe, quotes elsewhere, blocks for lines."""

from __future__ import annotations

import re

import yaml

from irc.formatting.tree import Scalar
from irc.reading import plain_value

WIDTH = 100
"""Columns of a line that is laid out; a text that cannot be broken may be longer."""

_PRINTABLE = re.compile(
    "[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*\\Z"
)
_UNSAFE_START = re.compile(r"""[-?:](\s|\Z)|[,\[\]{}#&*!|>'"%@`]|---|\.\.\.""")
_UNSAFE = re.compile(r"[\[\]{}\n\t]|:(\s|\Z)|\s#")
_UNSAFE_IN_FLOW = re.compile(r"\A[-:]|[,?]")
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers


def inline(scalar: Scalar, in_flow: bool) -> str:
    """A scalar on one line; numbers stand as they are written."""
    if not scalar.is_text:
        return scalar.text or "null"
    return scalar.text if _is_plain(scalar.text, in_flow) else _quoted(scalar.text)


def key_text(key: Scalar, in_flow: bool) -> str:
    """A key, which is text for irc whatever it looks like."""
    plain = _is_free_of_syntax(key.text, in_flow) and key.text not in {"<<", "="}
    return key.text if plain else _quoted(key.text)


def _is_plain(text: str, in_flow: bool) -> bool:
    """Whether a string can do without quotes, for readers of YAML 1.1 and 1.2.

    Brackets are quoted everywhere, so that ``"${reference}"`` looks the same in all places.
    """
    if not _is_free_of_syntax(text, in_flow):
        return False
    try:
        is_text = isinstance(plain_value(text), str)
    except OverflowError:
        return False
    resolvers = [*_RESOLVERS.get(text[0], ()), *_RESOLVERS.get(None, ())]
    return is_text and not any(pattern.match(text) for _, pattern in resolvers)


def _is_free_of_syntax(text: str, in_flow: bool) -> bool:
    if not text or text != text.strip() or not _PRINTABLE.match(text) or _UNSAFE_START.match(text):
        return False
    return not (_UNSAFE.search(text) or (in_flow and _UNSAFE_IN_FLOW.search(text)))


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _quoted(text: str) -> str:
    """A string in double quotes, or in single ones where that saves escapes."""
    if not _PRINTABLE.match(text) or "\n" in text or "\t" in text:
        return '"' + "".join(_ESCAPES.get(char) or _escaped(char) for char in text) + '"'
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _escaped(char: str) -> str:
    if _PRINTABLE.match(char):
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def block(scalar: Scalar) -> tuple[str, list[str]] | None:
    """A string as a block: its header, and its lines without indentation; None for other scalars.

    A text of several lines becomes a literal block. A folded block keeps its own line breaks,
    and a quoted or plain text that was broken over lines becomes one.
    """
    text = scalar.text
    if not scalar.is_text or not _PRINTABLE.match(text) or not text.strip():
        return None
    if scalar.style == ">":
        folded = _folded(scalar.raw)
        if folded is not None:
            return folded
    if "\n" in text:
        return None if text.endswith("\n\n") else _literal(text)
    if "\n" in scalar.raw and scalar.style not in {"|", ">"} and text == " ".join(text.split()):
        return ">-", _wrapped(text)
    return None


def _literal(text: str) -> tuple[str, list[str]]:
    lines = text.removesuffix("\n").split("\n")
    says_indentation = "2" if not lines[0].strip() or lines[0][0] in " \t" else ""
    return f"|{says_indentation}{'' if text.endswith(chr(10)) else '-'}", lines


def _folded(raw: str) -> tuple[str, list[str]] | None:
    """A folded block as it is written, without its indentation; None where that is said."""
    header, _, body = raw.replace("\r\n", "\n").partition("\n")
    style = header.partition("#")[0].strip()
    lines = body.rstrip().split("\n")
    indentation = len(lines[0]) - len(lines[0].lstrip(" "))
    if style not in {">", ">-"} or not indentation:
        return None
    return style, [line[indentation:] for line in lines]


def _wrapped(text: str) -> list[str]:
    """Words on lines of a readable length."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > WIDTH - 20:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
