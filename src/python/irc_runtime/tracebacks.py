"""Tracebacks that show the flow's own lines, in place of the generated ones.

Where a failure leaves a node, each frame of code that stands in the flow, and each of a template, is
replaced by one that has the flow's file and line, as Jinja2 does it for its templates. The lines are
known to ``linecache``, and so to whatever prints a traceback, though an image does not hold the flow:
they are those of the generated module, which are the flow's but for renamed functions.
Nothing is done, or read, before something fails.
"""

import ast
import linecache
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from inspect import CO_NEWLOCALS, CO_OPTIMIZED
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeAlias

from irc_runtime.line_map import Origin, origin_of

#: What the frames that are made here have in their globals.
_MADE = "__irc_frame__"

#: What the frames of templates have in their globals: Jinja2's own mark, and the text.
_JINJA = "__jinja_exception__"
_TEXT = "__irc_template__"

#: Line, end line, column and end column, counted as the syntax tree does: lines from 1.
_Position: TypeAlias = tuple[int, int, int, int]


def translate(error: BaseException, source: str) -> None:
    """Rewrite the tracebacks of an exception and of all behind it, in place.

    Args:
        source: the flow's file, relative to the root of the repository.
    """
    pending, seen = [error], set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        item.__traceback__ = _translated(item.__traceback__, source)
        pending += [other for other in (item.__cause__, item.__context__) if other is not None]
        if isinstance(item, BaseExceptionGroup):
            pending += item.exceptions


def flow_line(error: BaseException) -> str | None:
    """The innermost line of the flow in translated tracebacks, as ``flows/support/flow.yaml:71``.

    It is that of the exception, or where it has none, of the first that it is a group of, and then
    of its cause.
    """
    for entry in reversed([*_entries(error.__traceback__)]):
        if _MADE in entry.tb_frame.f_globals:
            return f"{entry.tb_frame.f_code.co_filename}:{entry.tb_lineno}"
    behind = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (*behind, error.__cause__):
        if other is not None and (line := flow_line(other)) is not None:
            return line
    return None


def innermost(traceback: TracebackType) -> str:
    """The place of the innermost frame: a line of the flow where it is known, or of a module."""
    *_, entry = _entries(traceback)
    frame = entry.tb_frame
    if _MADE in frame.f_globals:
        return f"{frame.f_code.co_filename}:{entry.tb_lineno}"
    origin = origin_of(frame, entry.tb_lineno)
    if origin is not None:
        return f"{origin.file}:{origin.line}"
    return f"{frame.f_globals.get('__name__', '?')}:{entry.tb_lineno}"


def give_texts(error: BaseException, texts: Mapping[str, str]) -> None:
    """Give frames of templates their texts, by the names that the templates were compiled under."""
    for entry in _entries(error.__traceback__):
        frame = entry.tb_frame
        if _JINJA in frame.f_globals and frame.f_code.co_filename in texts:
            frame.f_globals[_TEXT] = texts[frame.f_code.co_filename]


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _translated(traceback: TracebackType | None, source: str) -> TracebackType | None:
    following: TracebackType | None = None
    for entry in reversed([*_entries(traceback)]):
        made = _in_template(entry, source) or _in_code(entry)
        entry = made or entry
        if entry.tb_next is not following:
            entry.tb_next = following
        following = entry
    return following


def _in_template(entry: TracebackType, source: str) -> TracebackType | None:
    """An entry that Jinja2 made for a template, at the template's place in the repository."""
    frame = entry.tb_frame
    if _TEXT not in frame.f_globals:
        return None
    relative, _, first = frame.f_code.co_filename.rpartition(":")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), relative))
    lines = frame.f_globals[_TEXT].split("\n")
    _show(file, int(first), lines)
    line = int(first) + entry.tb_lineno - 1
    width = len(lines[min(entry.tb_lineno, len(lines)) - 1].encode())
    return _made(frame, file, int(first), (line, line, 0, width))


def _in_code(entry: TracebackType) -> TracebackType | None:
    """An entry of code that stands in the flow, at its place there."""
    frame = entry.tb_frame
    if _MADE in frame.f_globals:
        return None
    origin = origin_of(frame, entry.tb_lineno)
    if origin is None or not origin.text:
        return None
    _show(origin.file, origin.first_line, origin.text)
    shift = origin.line - entry.tb_lineno
    first = max(frame.f_code.co_firstlineno + shift, origin.first_line)
    return _made(frame, origin.file, first, _position(entry, origin, shift))


def _position(entry: TracebackType, origin: Origin, shift: int) -> _Position:
    """Which part of the line failed; all of it where Python does not know."""
    positions = [*entry.tb_frame.f_code.co_positions()]
    line, end_line, column, end_column = positions[entry.tb_lasti // 2]
    if line != entry.tb_lineno or end_line is None or column is None or end_column is None:
        width = len(origin.text[origin.line - origin.first_line].encode())
        return origin.line, origin.line, 0, width
    return origin.line, end_line + shift, column, end_column


def _made(frame: FrameType, file: str, first_line: int, position: _Position) -> TracebackType:
    """An entry with the names and values of a frame, at another place."""
    own = frame.f_code
    code = _raising(file, own.co_name, own.co_qualname, first_line, position)
    names: dict[str, Any] = {
        "__name__": frame.f_globals.get("__name__"),
        _MADE: True,
        "error": Exception(),
    }
    try:
        exec(code, names, dict(frame.f_locals))  # noqa: S102  # the only way to make a frame
    except Exception as raised:  # noqa: BLE001  # what it raises is what was just made
        assert raised.__traceback__ is not None
        entry = raised.__traceback__.tb_next
    del names["error"]
    assert entry is not None
    return entry


@lru_cache(maxsize=1024)
def _raising(
    file: str, name: str, qualified_name: str, first_line: int, position: _Position
) -> CodeType:
    """The code of a function that raises ``error`` at a position, and says that it is another."""
    line, end_line, column, end_column = position
    place = {
        "lineno": line,
        "end_lineno": end_line,
        "col_offset": column,
        "end_col_offset": end_column,
    }
    raising = ast.Raise(ast.Name("error", ast.Load(), **place), None, **place)
    nothing = ast.arguments([], [], None, [], [], None, [])
    function = ast.FunctionDef("made", nothing, [raising], [], lineno=first_line, col_offset=0)
    module = compile(ast.Module([function], []), file, "exec")
    code = next(item for item in module.co_consts if isinstance(item, CodeType))
    flags = code.co_flags & ~(CO_OPTIMIZED | CO_NEWLOCALS)  # for it to have the frame's values
    return code.replace(co_name=name, co_qualname=qualified_name, co_flags=flags)


def _show(file: str, first_line: int, lines: Sequence[str]) -> None:
    """Let ``linecache`` know lines of a file, whether it is there or not, in any later version."""
    known = linecache.cache.get(file, ())
    # Those that were read from the disk have a time.
    shown = [*known[2]] if len(known) == 4 and known[1] is None else []
    shown += ["\n"] * (first_line - 1 + len(lines) - len(shown))
    shown[first_line - 1 : first_line - 1 + len(lines)] = [f"{line}\n" for line in lines]
    linecache.cache[file] = (sum(map(len, shown)), None, shown, file)
