"""What a code transform reads of its inputs and its context, as far as its text shows."""

from __future__ import annotations

import ast
from collections.abc import Callable

from irc.syntax import Nodes

Function = ast.FunctionDef | ast.AsyncFunctionDef


Access = tuple[str, ast.expr]
"""A name that is read, and the node of the parameter that it is read of."""


_ACCESSES: tuple[type[ast.expr], ...] = (ast.Attribute, ast.Subscript, ast.Compare, ast.Call)


def context_reads(function: Function, nodes: Nodes) -> set[str] | None:
    """The fields that a ``transform`` reads of its second parameter.

    Args:
        nodes: those of the function.
    Returns:
        Their names; None where the context is passed on or read by a computed name, so that any
        field may be read.
    """
    return _reads(function, nodes, 1, _field)


def input_reads(function: Function, nodes: Nodes) -> set[str] | None:
    """The inputs that a ``transform`` reads of its first parameter; None as for the context."""
    return _reads(function, nodes, 0, _input)


def _reads(
    function: Function,
    nodes: Nodes,
    position: int,
    access: Callable[[ast.AST], Access | None],
) -> set[str] | None:
    parameters = [*function.args.posonlyargs, *function.args.args]
    if len(parameters) <= position:
        return None
    parameter = parameters[position].arg
    names: set[str] = set()
    explained: set[ast.AST] = set()
    for node in nodes.of(*_ACCESSES):
        found = access(node)
        if found is not None and _is_name(found[1], parameter):
            names.add(found[0])
            explained.add(found[1])
    for name in nodes.of(ast.Name):
        if name.id == parameter and name not in explained:
            return None
        if name.id in {"locals", "vars", "eval", "exec"}:
            return None
    return names


def _field(node: ast.AST) -> Access | None:
    """``context.x`` and ``context.get("x")``."""
    if isinstance(node, ast.Attribute) and node.attr != "get":
        return node.attr, node.value
    return _get(node)


def _input(node: ast.AST) -> Access | None:
    """``inputs["x"]``, ``inputs.get("x")`` and ``"x" in inputs``."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        name = _text(node.slice)
        return None if name is None else (name, node.value)
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        name = _text(node.left)
        return None if name is None else (name, node.comparators[0])
    return _get(node)


def _get(node: ast.AST) -> Access | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    name = _text(node.args[0]) if node.func.attr == "get" and node.args else None
    return None if name is None else (name, node.func.value)


def _text(node: ast.AST) -> str | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
