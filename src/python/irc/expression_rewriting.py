"""From a checked expression to the code that it becomes: names of the scope, accesses, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from irc.expression_syntax import Comprehension, context_field, names_of, targets_of

BUILT_IN_FIELDS = ("user_id", "session_id", "trace_id", "event_time", "auth")
"""The context's own attributes; every other request field is read through ``get``."""


def context_read(field: str) -> str:
    """The code that reads a context field."""
    return f"ctx.{field}" if field in BUILT_IN_FIELDS else f'ctx.get("{field}")'


class Rewriter(ast.NodeTransformer):
    """Names of the scope to their code; ``a.b`` to ``a["b"]`` unless it is called."""

    def __init__(self, scope: Mapping[str, str], tree: ast.Expression) -> None:
        self.scope = scope
        self.bound: dict[str, str] = {}
        self.outer = frozenset({*scope.values(), "ctx", "inputs", "self"})
        self.written = names_of(tree.body)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.bound:
            return ast.Name(self.bound[node.id], node.ctx)
        if node.id in self.scope:
            return ast.parse(self.scope[node.id], mode="eval").body
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if context_field(node) is not None:
            return ast.parse(context_read(node.attr), mode="eval").body
        return ast.Subscript(self.visit(node.value), ast.Constant(node.attr), ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        field = context_field(node)
        if field is not None:
            return ast.parse(context_read(field), mode="eval").body
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if context_field(node) is not None:
            function = ast.Attribute(ast.Name("ctx", ast.Load()), "get", ast.Load())
            return ast.Call(function, [self.visit(item) for item in node.args], [])
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(item) for item in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def _scoped(self, node: Comprehension) -> ast.AST:
        outer = self.bound
        first = self.visit(node.generators[0].iter)
        self.bound = outer | {name: self._free(name) for name in targets_of(node)}
        node.generators[0].iter = ast.Constant(None)
        self.generic_visit(node)
        node.generators[0].iter = first
        self.bound = outer
        return node

    def _free(self, name: str) -> str:
        """A name for what a comprehension binds; it must not hide what stands outside."""
        free = name
        while free in self.outer or (free != name and free in self.written):
            free += "_"
        return free

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _scoped
