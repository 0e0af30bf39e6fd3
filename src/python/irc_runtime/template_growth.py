"""How large the results of filters and methods are that make much of little: found out beforehand.

Sizes are in characters, or items of a list: upper bounds, and near what comes of it. Parameters are
called as those of the filters and methods.
"""

import re
import string
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: https://docs.python.org/3/library/stdtypes.html#printf-style-string-formatting
_CONVERSION = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(\*|\d+)?(?:\.(\*|\d+))?")

_NUMBER = re.compile(r"\d+")

#: Digits of a number that are looked at: with so many it is too large in any case.
_DIGITS = 12


def _padded(s: Any, width: int = 80, fillchar: str = " ") -> int:
    """Of ``center``, ``ljust``, ``rjust`` and ``zfill``."""
    return max(len(str(s)), width)


def _with_spaces(s: str, tabsize: int = 8) -> int:
    return len(s) + s.count("\t") * tabsize


def _replaced(s: Any, old: Any, new: Any, count: int | None = None) -> int:
    text, old, new = str(s), str(old), str(new)
    times = text.count(old) if old else len(text) + 1
    if count is not None and count >= 0:
        times = min(times, count)
    return len(text) + times * len(new)


def _joined(value: Iterable[Any], d: Any = "", attribute: Any = None) -> int:
    items = list(value)
    return sum(map(_length, items)) + len(items) * len(str(d))


def _indented(s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> int:
    indention = width if isinstance(width, int) else len(width)
    return len(str(s)) + (str(s).count("\n") + 1) * indention


def _wrapped(
    s: Any,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str | None = None,
    break_on_hyphens: bool = True,
) -> int:
    lines = 2 * len(str(s)) // max(width, 1) + str(s).count("\n") + 1
    return len(str(s)) + lines * len(wrapstring or "\n")


def _batched(value: Any, linecount: int, fill_with: Any = None) -> int:
    return linecount


def _sliced(value: Any, slices: int, fill_with: Any = None) -> int:
    return slices


def _as_json(value: Any, indent: int | None = None) -> int:
    return (indent or 0) * _levels(value, 1)


def _levels(value: Any, depth: int) -> int:
    """The depths of the lines of a value that is written with one item a line, all together."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return 0
    return depth + sum(depth + _levels(item, depth + 1) for item in value)


def converted(form: Any, *values: Any, **named: Any) -> int:
    """Of ``form % values``, and of the filter ``format``."""
    form, items = str(form), _items([*values, *named.values()])
    widths = [width for widths in _CONVERSION.findall(form) for width in widths if width]
    return len(form) + _widths(widths, items) + _inserted(form, "%", items)


def _formatted(form: str, *values: Any, **named: Any) -> int:
    items = _items([*values, *named.values()])
    specifications = [spec for _, _, spec, _ in string.Formatter().parse(form) if spec]
    widths = [width for spec in specifications for width in _NUMBER.findall(spec)]
    widths += ["*" for spec in specifications if "{" in spec]
    return len(form) + _widths(widths, items) + _inserted(form, "{", items)


def _widths(widths: list[str], items: list[Any]) -> int:
    """Widths and precisions that stand in a form; ``*`` is one of the values."""
    largest = max((abs(item) for item in items if isinstance(item, int)), default=0)
    return sum(largest if width == "*" else int(width[:_DIGITS]) for width in widths)


def _inserted(form: str, mark: str, items: list[Any]) -> int:
    """The values, of which a form may name the longest each time."""
    return form.count(mark) * max(map(_length, items), default=0)


def _items(values: Iterable[Any]) -> list[Any]:
    """Values, and those that they hold."""
    items: list[Any] = []
    for value in values:
        if isinstance(value, Mapping):
            items += value.values()
        elif isinstance(value, list | tuple):
            items += value
        else:
            items.append(value)
    return items


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0


FILTERS: Mapping[str, Callable[..., int]] = {
    "batch": _batched,
    "center": _padded,
    "format": converted,
    "indent": _indented,
    "join": _joined,
    "replace": _replaced,
    "slice": _sliced,
    "tojson": _as_json,
    "wordwrap": _wrapped,
}
"""The size of a filter's result, by its name; called as the filter is."""

METHODS: Mapping[str, Callable[..., int]] = {
    "center": _padded,
    "expandtabs": _with_spaces,
    "format": _formatted,
    "format_map": _formatted,
    "join": lambda separator, items: _joined(items, separator),
    "ljust": _padded,
    "replace": _replaced,
    "rjust": _padded,
    "zfill": _padded,
}
"""The same of methods of texts."""
