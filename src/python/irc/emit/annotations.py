"""Annotations of the flow's own Python: which are missing, and those of ``transform`` filled in."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replace what stands at a place by another text; columns are bytes, as ``ast`` counts."""

    line: int
    column: int
    end_column: int
    text: str


def is_typed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
    annotated = [item.annotation is not None or item.arg in {"self", "cls"} for item in every]
    return all(annotated) and function.returns is not None


def missing_annotations(
    function: ast.FunctionDef | ast.AsyncFunctionDef, source: str
) -> list[Edit]:
    """Annotations for a ``transform`` that has none: ``Inputs``, ``Context`` and ``Any``."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    edits = []
    for argument, kind in zip(arguments, ("Inputs", "Context", "Any"), strict=False):
        if argument.annotation is None:
            end = argument.end_col_offset or 0
            edits.append(Edit(argument.end_lineno or argument.lineno, end, end, f": {kind}"))
    if function.returns is None:
        place = _before_colon(function, source)
        if place is not None:
            edits.append(Edit(place[0], place[1], place[1], " -> Any"))
    return edits


def _before_colon(
    function: ast.FunctionDef | ast.AsyncFunctionDef, source: str
) -> tuple[int, int] | None:
    """Where the parameters' closing bracket ends: line and byte column."""
    first = source.split("\n")[function.lineno - 1]
    balanced = first.endswith("):") and first.count("(") == first.count(")")
    if balanced and function.body[0].lineno > function.lineno:  # as most are written
        return function.lineno, len(first[:-1].encode())
    depth, opened = 0, False
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.start < (function.lineno, 0) or token.type != tokenize.OP:
            continue
        if token.string in "([{":
            depth, opened = depth + 1, True
        elif token.string in ")]}":
            depth -= 1
            if opened and depth == 0:
                line, column = token.end
                return line, len(source.split("\n")[line - 1][:column].encode())
    return None
