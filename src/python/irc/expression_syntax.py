"""What of Python's syntax the expression language takes."""

from __future__ import annotations

import ast

FUNCTIONS = frozenset(
    ["len", "min", "max", "sum", "abs", "round", "sorted", "any", "all", "str", "int", "float", "bool"]
)  # fmt: skip
STR_METHODS = frozenset(
    [
        "capitalize",
        "casefold",
        "center",
        "count",
        "endswith",
        "expandtabs",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isascii",
        "isdecimal",
        "isdigit",
        "isidentifier",
        "islower",
        "isnumeric",
        "isprintable",
        "isspace",
        "istitle",
        "isupper",
        "join",
        "ljust",
        "lower",
        "lstrip",
        "maketrans",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rindex",
        "rjust",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "translate",
        "upper",
        "zfill",
    ]
)
"""All that change nothing but `encode`, whose bytes no edge carries, and `format`, which reads attributes."""

METHODS = STR_METHODS | {"copy", "fromkeys", "get", "items", "keys", "values"}

PLAIN_NODES = (
    ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Load, ast.Store,
    ast.Subscript, ast.Slice, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp,
    ast.comprehension, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.keyword,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
    ast.UAdd, ast.USub, ast.Not, ast.And, ast.Or,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn,
)  # fmt: skip

Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def names_of(target: ast.expr) -> frozenset[str]:
    return frozenset(item.id for item in ast.walk(target) if isinstance(item, ast.Name))


def targets_of(node: Comprehension) -> frozenset[str]:
    """The names that a comprehension binds."""
    return frozenset().union(*(names_of(generator.target) for generator in node.generators))


def context_field(node: ast.Attribute | ast.Subscript | ast.Call) -> str | None:
    """The field that ``context.a``, ``context['a']`` or ``context.get('a', …)`` reads."""
    holder: ast.expr = node
    key: ast.expr | None = None
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "get" or node.keywords:
            return None
        holder, key = node.func.value, node.args[0] if 1 <= len(node.args) <= 2 else None
    elif isinstance(node, ast.Subscript):
        holder, key = node.value, node.slice
    else:
        holder, key = node.value, ast.Constant(node.attr)
    if not isinstance(holder, ast.Name) or holder.id != "context":
        return None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | int | float) and (
        not isinstance(node.value, bool)
    )  # fmt: skip


def describe(node: ast.AST) -> str:
    names = {
        "Lambda": "`lambda`", "NamedExpr": "`:=`", "Await": "`await`", "JoinedStr": "an f-string",
        "Starred": "`*`", "Yield": "`yield`", "YieldFrom": "`yield`", "MatMult": "`@`",
        "BitAnd": "`&`", "BitOr": "`|`", "BitXor": "`^`", "Invert": "`~`", "LShift": "`<<`", "RShift": "`>>`",
    }  # fmt: skip
    return names.get(type(node).__name__, f"`{type(node).__name__.lower()}`")
