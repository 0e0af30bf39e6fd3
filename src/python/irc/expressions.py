"""The expression language: a subset of Python, checked here and emitted as plain code.

Conditions, edge transforms and the expressions of ``transform.*`` are written in it; nothing is
evaluated from text at run time.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from irc.diagnostics import Diagnostics, Span, did_you_mean
from irc.emit.code import Code, Items, Mapped, quoted
from irc.expression_rewriting import Rewriter
from irc.expression_syntax import (
    FUNCTIONS,
    METHODS,
    PLAIN_NODES,
    Comprehension,
    context_field,
    describe,
    is_literal,
    names_of,
    targets_of,
)
from irc.other_languages import CONSTANTS, operator_hint
from irc.syntax import parse_expression

_OPPOSITES: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
"""Comparisons and what is true where they are false. ``<`` has none: of NaN, ``>=`` is false too."""


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        tree: its Python syntax, with the names of the scope replaced.
        names: the names of the scope that it reads.
        context_fields: the fields of ``context`` that it reads.
    """

    tree: ast.expr
    names: frozenset[str]
    context_fields: frozenset[str]

    @property
    def code(self) -> Code:
        """The expression as code that can be broken over lines."""
        return _code(self.tree)

    @property
    def negated(self) -> str:
        """The expression's opposite on one line, as a condition."""
        match self.tree:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return unparse(operand)
            case ast.Compare(left=left, ops=[op], comparators=right) if type(op) in _OPPOSITES:
                return unparse(ast.Compare(left, [_OPPOSITES[type(op)]()], right))
            case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
                return f"not {self.text}"
        return f"not ({self.text})"

    @property
    def text(self) -> str:
        """The expression on one line."""
        return unparse(self.tree)


def _code(tree: ast.expr) -> Code:
    if isinstance(tree, ast.Dict):
        return Mapped(
            tuple((unparse(k), _code(v)) for k, v in zip(tree.keys, tree.values, strict=True) if k)
        )
    if isinstance(tree, ast.List):
        return Items(tuple(_code(item) for item in tree.elts))
    return unparse(tree)


def unparse(tree: ast.expr) -> str:
    """Python code of an expression, strings in double quotes."""
    code = ast.unparse(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and [type(x) for x in node.args] == [ast.GeneratorExp]:
            only = ast.unparse(node.args[0])
            code = code.replace(f"({only})", only)
    if "'" not in code:
        return code
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    for token in reversed(tokens):
        if token.type == tokenize.STRING and token.string.startswith("'"):
            text = quoted(ast.literal_eval(token.string))
            code = code[: token.start[1]] + text + code[token.end[1] :]
    return code


SpanOf = Callable[[int, int], Span]
"""From character offsets in an expression's text to the place in the file."""


def compile_expression(
    text: str,
    scope: Mapping[str, str],
    context_fields: Iterable[str],
    report: Diagnostics,
    span_of: SpanOf,
) -> Expression | None:
    """Check an expression and give its code.

    Args:
        text: the expression.
        scope: the names it may use and the code that each stands for; ``context`` among them
            becomes reads of the declared fields.
        context_fields: the fields that ``context`` has.
        span_of: where a part of the text stands.
    Reports:
        E402 for what the language leaves out, E403 for names that are not in scope, E306 for
        context fields that are not declared.
    """
    before = len(text) - len(text.lstrip())
    try:
        tree = parse_expression(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = getattr(error, "lineno", 1) or 1, getattr(error, "offset", 1) or 1
        rows = text.strip().split("\n")[: line - 1]
        start = before + sum(len(row) + 1 for row in rows) + column - 1
        message = getattr(error, "msg", None) or str(error) or "too deeply nested"
        report.error(
            "E402", span_of(start, start + 1), f"not an expression: {message}",
            hint=operator_hint(text, start),
        )  # fmt: skip
        return None
    checker = _Checker(text.strip(), before, scope, frozenset(context_fields), report, span_of)
    checker.check(tree.body, frozenset())
    if not checker.ok:
        return None
    rewritten = Rewriter(scope, tree).visit(tree)
    return Expression(
        ast.fix_missing_locations(rewritten).body,
        frozenset(checker.names),
        frozenset(checker.fields),
    )


def _offset(text: str, line: int, column_bytes: int) -> int:
    """The character offset of a position that ``ast`` gives in lines and bytes."""
    lines = text.split("\n")
    before = sum(len(item) + 1 for item in lines[: line - 1])
    return before + len(lines[line - 1].encode()[:column_bytes].decode("utf-8", "ignore"))


class _Checker:
    def __init__(
        self,
        text: str,
        before: int,
        scope: Mapping[str, str],
        declared: frozenset[str],
        report: Diagnostics,
        span_of: SpanOf,
    ) -> None:
        self.text, self.before, self.scope, self.declared = text, before, scope, declared
        self.report, self.span_of = report, span_of
        self.ok = True
        self.names: set[str] = set()
        self.fields: set[str] = set()
        self.later: frozenset[str] = frozenset()  # what a comprehension binds further on

    def fail(self, code: str, node: ast.AST, message: str, hint: str | None = None) -> None:
        self.ok = False
        # Those that are asked about have a place; not all kinds of nodes do.
        start = _offset(self.text, node.lineno, node.col_offset)  # type: ignore[attr-defined]
        end = _offset(self.text, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        self.report.error(
            code, self.span_of(start + self.before, end + self.before), message, hint=hint
        )

    def check(self, node: ast.AST, bound: frozenset[str]) -> None:
        if isinstance(node, ast.Name):
            self._name(node, bound)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, bound)
        elif isinstance(node, ast.Call):
            self._call(node, bound)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            self._comprehension(node, bound)
        elif isinstance(node, ast.Subscript) and (field := context_field(node)) is not None:
            self._field(node, field, bound)
        elif isinstance(node, PLAIN_NODES):
            if isinstance(node, ast.Compare):
                self._identity(node)
            if isinstance(node, ast.BinOp | ast.UnaryOp) and not isinstance(node.op, PLAIN_NODES):
                self.fail("E402", node, f"{describe(node.op)} is not part of expressions")
            if isinstance(node, ast.Constant) and not isinstance(
                node.value, str | int | float | None
            ):
                self.fail(
                    "E402", node, f"{type(node.value).__name__} values are not part of expressions"
                )
            if isinstance(node, ast.Dict) and None in node.keys:
                self.fail("E402", node, "`**` is not part of expressions")
            for child in ast.iter_child_nodes(node):
                if hasattr(child, "lineno"):
                    self.check(child, bound)
        else:
            self.fail("E402", node, f"{describe(node)} is not part of expressions")

    def _identity(self, node: ast.Compare) -> None:
        """Refuse what Python itself warns of: whether a text or a number is the very same object."""
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Is | ast.IsNot) and any(
                is_literal(x) for x in (left, right)
            ):
                self.fail("E402", node, "`is` compares objects, not values", "write `==` or `!=`")

    def _name(self, node: ast.Name, bound: frozenset[str]) -> None:
        if node.id in self.later:
            self.fail("E403", node, f"'{node.id}' is bound only further on in the comprehension")
            return
        if node.id in bound:
            return
        if node.id not in self.scope:
            known = [*self.scope, *bound]
            constant = CONSTANTS.get(node.id)
            self.fail(
                "E403", node, f"'{node.id}' is not in scope",
                (f"write '{constant}'" if constant else did_you_mean(node.id, known))
                or f"in scope: {', '.join(sorted(known))}",
            )  # fmt: skip
            return
        self.names.add(node.id)
        if node.id == "context":
            self.fail("E402", node, "the context is read by its fields", "write context.<field>")

    def _attribute(self, node: ast.Attribute, bound: frozenset[str]) -> None:
        if node.attr.startswith("__"):
            self.fail("E402", node, f"'{node.attr}': names with two underscores are not accessible")
            return
        field = context_field(node)
        if field is None:
            self.check(node.value, bound)
        else:
            self._field(node, field, bound)

    def _field(
        self, node: ast.Attribute | ast.Subscript | ast.Call, field: str, bound: frozenset[str]
    ) -> None:
        """Check a read of a context field: ``context.a``, ``context['a']`` or ``context.get('a')``."""
        if "context" not in self.scope:
            self.check(ast.copy_location(ast.Name("context", ast.Load()), node), bound)
            return
        self.names.add("context")
        self.fields.add(field)
        if field not in self.declared:
            self.fail(
                "E306", node, f"'{field}' is not in the flow's context",
                did_you_mean(field, self.declared)
                or f"add '{field}' to context.requires or context.optional",
            )  # fmt: skip

    def _call(self, node: ast.Call, bound: frozenset[str]) -> None:
        function = node.func
        if (field := context_field(node)) is not None:
            self._field(node, field, bound)
            for argument in node.args[1:]:
                self.check(argument, bound)
            return
        if isinstance(function, ast.Name):
            if function.id not in FUNCTIONS:
                self.fail(
                    "E402", function, f"'{function.id}' is not a function of expressions",
                    did_you_mean(function.id, FUNCTIONS) or f"functions: {', '.join(sorted(FUNCTIONS))}",
                )  # fmt: skip
        elif isinstance(function, ast.Attribute):
            if function.attr not in METHODS:
                self.fail(
                    "E402", function, f"'.{function.attr}()' is not a method of expressions",
                    did_you_mean(function.attr, METHODS),
                )  # fmt: skip
            if not (isinstance(function.value, ast.Name) and function.value.id == "context"):
                self.check(function.value, bound)
            else:
                self.fail(
                    "E402", function, "the context is read by its fields", "write context.<field>"
                )
        else:
            self.fail("E402", function, "only functions and methods by name are called")
        for argument in node.args:
            self.check(argument, bound)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg == "key":
                self.fail("E402", keyword.value, "this argument is not part of expressions")
            else:
                self.check(keyword.value, bound)

    def _target(self, target: ast.expr) -> None:
        """Check that a comprehension binds names only: anything else would be changed by it."""
        if isinstance(target, ast.Tuple | ast.List):
            for item in target.elts:
                self._target(item)
        elif not isinstance(target, ast.Name):
            self.fail("E402", target, "a comprehension binds names only")

    def _comprehension(
        self,
        node: Comprehension,
        bound: frozenset[str],
    ) -> None:
        outer = self.later
        every, seen = targets_of(node), frozenset[str]()
        for index, generator in enumerate(node.generators):
            if generator.is_async:
                self.fail("E402", generator.target, "`async for` is not part of expressions")
            if index:  # the first one is evaluated outside of the comprehension
                self.later = outer - every | every - seen
            self.check(generator.iter, bound)
            self._target(generator.target)
            targets = names_of(generator.target)
            for name in sorted(targets & (FUNCTIONS | {"context"})):
                self.fail("E402", generator.target, f"'{name}' cannot be bound anew")
            bound |= targets
            seen |= targets
            self.later = outer - every | every - seen
            for condition in generator.ifs:
                self.check(condition, bound)
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for element in elements:
            self.check(element, bound)
        self.later = outer
