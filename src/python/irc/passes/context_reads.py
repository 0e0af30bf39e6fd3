"""Which context fields a code transform reads, as far as its text shows."""

from __future__ import annotations

import ast
from typing import TypeGuard


def context_reads(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str] | None:
    """The fields that a ``transform`` reads of its second parameter.

    Returns:
        Their names; None where the context is passed on or read by a computed name, so that any
        field may be read.
    """
    parameters = [*function.args.posonlyargs, *function.args.args]
    if len(parameters) < 2:
        return None
    context = parameters[1].arg
    fields: set[str] = set()
    explained: set[ast.AST] = set()
    for node in ast.walk(function):
        field = _field(node, context)
        if field is not None:
            name, read = field
            fields.add(name)
            explained.add(read.value)
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == context and node not in explained:
            return None
    return fields


def _field(node: ast.AST, context: str) -> tuple[str, ast.Attribute] | None:
    """``context.x`` and ``context.get("x")`` as the field's name and the access."""
    if isinstance(node, ast.Call) and _is_read(node.func, context) and node.func.attr == "get":
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value, node.func
        return None
    if _is_read(node, context) and node.attr != "get":
        return node.attr, node
    return None


def _is_read(node: ast.AST, context: str) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == context
    )
