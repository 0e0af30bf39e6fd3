"""Conditions whose value can be told without running: constants, and comparisons that exclude each other."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

UNKNOWN: Any = object()
"""The value of what depends on the run."""

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq,
}  # fmt: skip


def folded(tree: ast.expr) -> Any:
    """The value of a checked expression, or UNKNOWN.

    ``and`` and ``or`` are decided by one operand where it decides them, and by comparisons of one
    subject with constants: ``x > 5 and x < 3`` is false, ``x != 1 or x != 2`` is true.
    """
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        value = folded(tree.operand)
        return UNKNOWN if value is UNKNOWN else not value
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        value = folded(tree.operand)
        return -value if isinstance(value, int | float) else UNKNOWN
    if isinstance(tree, ast.List | ast.Tuple | ast.Set):
        items = [folded(item) for item in tree.elts]
        return UNKNOWN if any(item is UNKNOWN for item in items) else items
    if isinstance(tree, ast.IfExp):
        test = folded(tree.test)
        return UNKNOWN if test is UNKNOWN else folded(tree.body if test else tree.orelse)
    if isinstance(tree, ast.BoolOp):
        return _bool(tree)
    if isinstance(tree, ast.Compare):
        return _comparison(tree)
    return UNKNOWN


def _bool(tree: ast.BoolOp) -> Any:
    decisive = isinstance(tree.op, ast.Or)  # the truth that decides it
    values = [folded(item) for item in tree.values]
    if any(value is not UNKNOWN and bool(value) is decisive for value in values):
        return decisive
    if not any(value is UNKNOWN for value in values):
        return not decisive
    facts = [_fact(item) for item in tree.values]
    for index, second in enumerate(facts):
        for first in facts[:index]:
            if first and second and first[0] == second[0] and _clash(first, second, decisive):
                return decisive
    return UNKNOWN


def _comparison(tree: ast.Compare) -> Any:
    values = [folded(item) for item in [tree.left, *tree.comparators]]
    if any(value is UNKNOWN for value in values):
        return UNKNOWN
    try:
        return all(
            _COMPARE[type(op)](left, right)
            for op, left, right in zip(tree.ops, values, values[1:], strict=False)
        )
    except TypeError:  # an error at run time, then
        return UNKNOWN


Fact = tuple[str, type[ast.cmpop], Any]
"""A comparison of a subject with a constant: the subject's code, the operator, the constant."""


def _fact(tree: ast.expr) -> Fact | None:
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        return None
    left, right, kind = tree.left, tree.comparators[0], type(tree.ops[0])
    value = folded(right)
    if value is UNKNOWN:
        left, value = right, folded(left)
        if kind not in _FLIPPED:
            return None
        kind = _FLIPPED[kind]
    if not isinstance(value, str | int | float) or kind not in _FLIPPED:
        return None
    return (ast.unparse(left), kind, value) if folded(left) is UNKNOWN else None


def _clash(first: Fact, second: Fact, negated: bool) -> bool:
    """Whether two facts about a subject are never both true; negated: never both false."""
    kinds = [_NEGATED[fact[1]] if negated else fact[1] for fact in (first, second)]
    (one, a), (two, b) = sorted(
        zip(kinds, (first[2], second[2]), strict=True), key=lambda item: item[0] is not ast.Eq
    )
    numbers = all(isinstance(value, int | float) for value in (a, b))
    if negated and not {one, two} <= {ast.Eq, ast.NotEq}:
        return False  # NaN is neither below nor above
    if one is ast.Eq:
        return (numbers or two in {ast.Eq, ast.NotEq}) and not _COMPARE[two](a, b)
    if not numbers:
        return False
    low = {ast.Gt, ast.GtE}
    if two in low:
        (one, a), (two, b) = (two, b), (one, a)
    if one not in low or two not in {ast.Lt, ast.LtE}:
        return False
    return a > b or (a == b and (one is ast.Gt or two is ast.Lt))


_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip
