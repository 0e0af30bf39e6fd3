"""Random expressions: what is written into the agent gives what Python gives for the expression itself."""

import ast
import operator
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from irc.diagnostics import Diagnostics, Span
from irc.expressions import compile_expression
from irc_runtime.context import Context

SCOPE = {
    "value": "value",
    "risk": "value",
    "context": "context",
    "x": "x",
    "y": "y",
    "len_": "len_",
}
NAMES = ("x", "y", "ctx", "value_", "value", "inputs", "len_")


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, "", "a", "b a", "é'\"\\"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("a", "b")), inner),
    max_leaves=8,
)
LEAVES = ("value", "risk", "x", "y", "len_", "context.locale", "context['locale']",
          "context.get('locale', 1)", "1", "0.5", "'a'", "None", "True", "[1, 2]", "'b a'")  # fmt: skip
INFIX = (
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "and",
    "or",
)
FORMS = (
    "({0} {infix} {1})", "({0} {infix} {1})", "({0} < {1} <= {2})", "(not {0})", "(-{0})",
    "({0} if {1} else {2})", "({0}).{key}", "({0})['{key}']", "({0})[{1}]", "({0})[{1}:]",
    "[{0}, {1}]", "({0}, {1})", "{{'a': {0}, 'b': {1}}}", "{function}({0})", "({0}).get('{key}', {1})",
    "({0}).count({1})", "({0}).upper()", "[{0} for {name} in {many}]", "[{0} for {name} in {1}]",
    "{{{0} for {name} in {many} if {1}}}", "sum({0} for {name} in {many})",
    "[{0} for {name} in {many} for {other} in {1}]", "{{{0}: {1} for {name} in {many}}}",
    "any({0} for {name} in {many} if {1} for {other} in {many})",
)  # fmt: skip


def expression(random: Random, depth: int) -> str:
    """A random expression; most of them have a value."""
    if depth == 0 or random.random() < 0.15:
        return random.choice(LEAVES)
    parts = [expression(random, depth - 1) for _ in range(3)]
    return random.choice(FORMS).format(
        *parts,
        infix=random.choice(INFIX),
        key=random.choice("abc"),
        function=random.choice(["len", "min", "max", "str", "int", "bool", "abs", "sorted", "sum"]),
        name=random.choice(NAMES),
        other=random.choice(NAMES),
        many=random.choice(["risk", "y", "(1, 2)", "['a', 'b']"]),
    )


def outcome(function: Callable[[], Any]) -> Any:
    """A result with the types of its parts, or that there was none."""
    try:
        return repr(function())
    except (
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        ValueError,
        ZeroDivisionError,
        OverflowError,
        MemoryError,
    ):
        return "no value"


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
    ast.Not: operator.not_, ast.USub: operator.neg,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (len, min, max, str, int, bool, abs, sum, sorted, any, all)
}


class Reference:
    """What the language says of an expression, by walking its tree."""

    def __init__(self, value: Any, request: dict[str, Any]) -> None:
        self.request = request
        self.outside = {"value": value, "risk": value, "x": 1, "y": [2], "len_": "l"}

    def of(self, tree: ast.expr) -> Any:
        return self.eval(tree, self.outside)

    def eval(self, node: Any, names: dict[str, Any]) -> Any:
        return getattr(self, type(node).__name__)(node, names)

    def all(self, nodes: list[Any], names: dict[str, Any]) -> list[Any]:
        return [self.eval(node, names) for node in nodes]

    def Constant(self, node: ast.Constant, names: dict[str, Any]) -> Any:
        return node.value

    def Name(self, node: ast.Name, names: dict[str, Any]) -> Any:
        return names[node.id]

    def Attribute(self, node: ast.Attribute, names: dict[str, Any]) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == "context":
            return self.request.get(node.attr)
        return self.eval(node.value, names)[node.attr]

    def Subscript(self, node: ast.Subscript, names: dict[str, Any]) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == "context":
            return self.request.get(self.eval(node.slice, names))
        return self.eval(node.value, names)[self.eval(node.slice, names)]

    def Slice(self, node: ast.Slice, names: dict[str, Any]) -> slice:
        return slice(self.eval(node.lower, names), None)

    def BinOp(self, node: ast.BinOp, names: dict[str, Any]) -> Any:
        return OPERATORS[type(node.op)](self.eval(node.left, names), self.eval(node.right, names))

    def UnaryOp(self, node: ast.UnaryOp, names: dict[str, Any]) -> Any:
        return OPERATORS[type(node.op)](self.eval(node.operand, names))

    def BoolOp(self, node: ast.BoolOp, names: dict[str, Any]) -> Any:
        first = self.eval(node.values[0], names)
        if bool(first) is isinstance(node.op, ast.Or) or len(node.values) == 1:
            return first
        return self.BoolOp(ast.BoolOp(node.op, node.values[1:]), names)

    def Compare(self, node: ast.Compare, names: dict[str, Any]) -> Any:
        left, result = self.eval(node.left, names), True
        for kind, side in zip(node.ops, node.comparators, strict=True):
            right = self.eval(side, names)
            result = OPERATORS[type(kind)](left, right)
            if not result:
                break
            left = right
        return result

    def IfExp(self, node: ast.IfExp, names: dict[str, Any]) -> Any:
        return self.eval(node.body if self.eval(node.test, names) else node.orelse, names)

    def List(self, node: ast.List, names: dict[str, Any]) -> Any:
        return self.all(node.elts, names)

    def Tuple(self, node: ast.Tuple, names: dict[str, Any]) -> Any:
        return tuple(self.all(node.elts, names))

    def Set(self, node: ast.Set, names: dict[str, Any]) -> Any:
        return set(self.all(node.elts, names))

    def Dict(self, node: ast.Dict, names: dict[str, Any]) -> Any:
        return dict(zip(self.all(node.keys, names), self.all(node.values, names), strict=True))

    def Call(self, node: ast.Call, names: dict[str, Any]) -> Any:
        if isinstance(node.func, ast.Name):
            return FUNCTIONS[node.func.id](*self.all(node.args, names))
        assert isinstance(node.func, ast.Attribute)
        holder = node.func.value
        if isinstance(holder, ast.Name) and holder.id == "context":
            return self.request.get(*self.all(node.args, names))
        return getattr(self.eval(holder, names), node.func.attr)(*self.all(node.args, names))

    def loops(
        self, generators: list[ast.comprehension], names: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        if not generators:
            yield names
            return
        first, *rest = generators
        assert isinstance(first.target, ast.Name)
        for item in self.eval(first.iter, names):
            inner = {**names, first.target.id: item}
            if all(self.eval(test, inner) for test in first.ifs):
                yield from self.loops(rest, inner)

    def GeneratorExp(self, node: Any, names: dict[str, Any]) -> Any:
        return (self.eval(node.elt, inner) for inner in self.loops(node.generators, names))

    def ListComp(self, node: Any, names: dict[str, Any]) -> Any:
        return list(self.GeneratorExp(node, names))

    def SetComp(self, node: Any, names: dict[str, Any]) -> Any:
        return set(self.GeneratorExp(node, names))

    def DictComp(self, node: ast.DictComp, names: dict[str, Any]) -> Any:
        return {
            self.eval(node.key, inner): self.eval(node.value, inner)
            for inner in self.loops(node.generators, names)
        }


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # as of 'a'['b']
@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 4), values, scalars)
def test_emitted_code_gives_what_the_language_says(
    seed: int, depth: int, value: Any, locale: Any
) -> None:
    text = expression(Random(seed), depth)
    report = Diagnostics()
    found = compile_expression(
        text, SCOPE, ["locale"], report, lambda a, b: Span("f", 1, a + 1, 1, b + 1)
    )
    if found is None:
        assert {item.code for item in report} <= {"E403"}, text  # a name that nothing binds
    assume(found is not None)
    assert found is not None
    request = {"locale": locale}
    tree = ast.parse(text, mode="eval").body
    expected = outcome(lambda: Reference(value, request).of(tree))
    names = {"value": value, "ctx": Context(request), "x": 1, "y": [2], "len_": "l"}
    assert outcome(lambda: eval(found.text, names)) == expected, found.text
