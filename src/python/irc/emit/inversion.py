"""Values for which an edge's expressions come out one way or the other.

A checked expression is evaluated on made-up values, as Python, where it is certain to end at once.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Iterator, Mapping
from types import CodeType, SimpleNamespace
from typing import Any

from irc.emit.places import NoValueError, Place, with_place
from irc.emit.samples import NOTHING
from irc.expression_syntax import FUNCTIONS
from irc.expressions import Expression

UNKNOWN: Any = object()
"""The value of an expression that is not evaluated here, or fails."""

MAX_CANDIDATES = 48

MAX_NUMBER = 1_000_000
"""Beyond, a number in an expression may stand for work without end."""

_BUILT_INS = {name: getattr(__import__("builtins"), name) for name in sorted(FUNCTIONS)}

_UNBOUNDED = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})


def evaluate(expression: Expression, value: Any, context: Mapping[str, Any]) -> Any:
    """The value of an edge's expression, or UNKNOWN."""
    code = _code(expression)
    if code is None:
        return UNKNOWN
    ctx = SimpleNamespace(**{**context, "get": context.get})
    try:
        return eval(code, {"__builtins__": _BUILT_INS, "value": value, "ctx": ctx})
    except Exception:  # noqa: BLE001  # whatever it is, the edge fails for this value
        return UNKNOWN


@functools.lru_cache(maxsize=1024)
def _code(expression: Expression) -> CodeType | None:
    """An expression ready for any number of values; None where it may not end at once."""
    if not _ends_at_once(expression.tree):
        return None
    return compile(ast.Expression(expression.tree), "<edge>", "eval")


def _ends_at_once(tree: ast.expr) -> bool:
    """Whether nothing in an expression can grow: no powers, and no padding of texts.

    A product may be that of a text; all numbers together say how long it can become.
    """
    loops, times = 0, 1.0
    for node in ast.walk(tree):
        if isinstance(node, ast.Pow | ast.LShift):
            return False
        if isinstance(node, ast.Mult | ast.comprehension):
            loops += 1
        number = node.value if isinstance(node, ast.Constant) else None
        if isinstance(number, int | float):
            times *= max(1.0, abs(number))
        if isinstance(node, ast.Attribute) and node.attr in _UNBOUNDED:
            return False
    return loops <= 2 and (times <= MAX_NUMBER or loops == 0)


def candidates(
    conditions: list[ast.expr], transforms: list[ast.expr], sample: Any, label: str
) -> Iterator[Any]:
    """Values that expressions over ``value`` may tell apart, likely ones first."""
    wanted: dict[Place, list[Any]] = {}
    for tree in conditions:
        _collect(tree, wanted)
        _note(tree, [True, False], wanted)
    for tree in transforms:
        _collect(tree, wanted)
        _note(tree, [], wanted)
    if not wanted:
        yield sample
        return
    # A place that others lie within holds what they make of it.
    places = [p for p in wanted if not any(o != p and o[: len(p)] == p for o in wanted)]
    choices = [[*_distinct(wanted[place]), UNKNOWN] for place in places]
    for chosen in itertools.islice(itertools.product(*choices), MAX_CANDIDATES):
        value = sample
        try:
            for place, item in zip(places, chosen, strict=True):
                value = _put(value, place, item, label)
        except NoValueError:
            continue
        yield value


def _distinct(values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(value == other and type(value) is type(other) for other in found):
            found.append(value)
    return found


def _put(value: Any, place: Place, item: Any, label: str) -> Any:
    """The value with an item at a place; UNKNOWN leaves a text there, or what is there."""
    if not place:
        return value if item is UNKNOWN else item
    if item is UNKNOWN:
        return with_place(value, place, "any", label)
    base = with_place(value, place, "any", label)
    return _replaced(base, place, item)


def _replaced(value: Any, place: Place, item: Any) -> Any:
    if not place:
        return item
    step = place[0]
    if isinstance(value, dict):
        return {**value, step: _replaced(value.get(step, NOTHING), place[1:], item)}
    assert isinstance(step, int)
    items = list(value)
    items[step] = _replaced(items[step], place[1:], item)
    return items


def _place_of(tree: ast.expr) -> Place | None:
    """``value["a"][0]`` as ``("a", 0)``; None for other expressions."""
    steps: list[str | int] = []
    while isinstance(tree, ast.Subscript):
        if not isinstance(tree.slice, ast.Constant) or not isinstance(tree.slice.value, str | int):
            return None
        steps.insert(0, tree.slice.value)
        tree = tree.value
    return tuple(steps) if isinstance(tree, ast.Name) and tree.id == "value" else None


def _collect(tree: ast.expr, wanted: dict[Place, list[Any]]) -> None:
    """Note, by place that an expression reads, values that matter there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            _compared([node.left, *node.comparators], node.ops, wanted)
        elif isinstance(node, ast.BoolOp):
            for item in node.values:
                _note(item, [True, False], wanted)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            _note(node.operand, [True, False], wanted)
        elif isinstance(node, ast.BinOp):
            _note(node.left, [7], wanted)
            _note(node.right, [7], wanted)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            kinds: dict[str, list[Any]] = {
                "len": [["a"], []],
                "sum": [[1]],
                "round": [7],
                "abs": [7],
                "int": [7],
                "float": [7],
            }
            for item in node.args:
                _note(item, kinds.get(node.func.id, []), wanted)
        elif isinstance(node, ast.comprehension):
            _note(node.iter, [[], ["a"]], wanted)
        elif isinstance(node, ast.Subscript):
            _note(node, [], wanted)


def _note(tree: ast.expr, values: list[Any], wanted: dict[Place, list[Any]]) -> None:
    place = _place_of(tree)
    if place is not None:
        wanted.setdefault(place, []).extend(values)


def _compared(
    operands: list[ast.expr], operators: list[ast.cmpop], wanted: dict[Place, list[Any]]
) -> None:
    for index, how in enumerate(operators):
        for one, two in (operands[index : index + 2], operands[index : index + 2][::-1]):
            constant = _constant(two)
            if constant is UNKNOWN:
                continue
            is_length = isinstance(one, ast.Call) and ast.unparse(one.func) == "len" and one.args
            if is_length and isinstance(one, ast.Call) and isinstance(constant, int):
                sizes = [size for size in (constant, constant + 1, constant - 1) if 0 <= size <= 50]
                values: list[Any] = [["a"] * size for size in sizes] + [
                    "a" * size for size in sizes
                ]
                _note(one.args[0], values, wanted)
            elif isinstance(how, ast.In | ast.NotIn) and isinstance(constant, list):
                _note(one, [*constant, "something else"], wanted)
            elif isinstance(how, ast.In | ast.NotIn):
                _note(one, [[constant], []] if one is operands[index + 1] else [], wanted)
            else:
                _note(one, _near(constant), wanted)


def _constant(tree: ast.expr) -> Any:
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError):
        return UNKNOWN


def _near(constant: Any) -> list[Any]:
    """A constant and values beside it."""
    if isinstance(constant, bool) or constant is None:
        return [constant, not constant]
    if isinstance(constant, int | float):
        near = [constant, constant + 1, constant - 1]
        return [*near, *(round(constant + step, 6) for step in (0.01, -0.01, 0.1, -0.1))]
    if isinstance(constant, str):
        return [constant, "something else"]
    return [constant]
