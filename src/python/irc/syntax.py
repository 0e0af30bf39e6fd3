"""Python texts as syntax trees: what of them every pass can walk."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

MAX_TREE_DEPTH = 150
"""Levels of nesting; the passes over syntax trees recurse, a few frames for each."""


_AWAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.comprehension)

Node = TypeVar("Node")


class Nodes:
    """The nodes of a tree, of Python's or a template's, by their types.

    Args:
        nodes: all nodes; those of a type keep their order.
    """

    __slots__ = ("_by_type",)

    def __init__(self, nodes: Iterable[object]) -> None:
        self._by_type: dict[type, list[object]] = {}
        for node in nodes:
            self._by_type.setdefault(type(node), []).append(node)

    def of(self, *types: type[Node]) -> list[Node]:
        """The nodes of some types, one type after the other."""
        found: list[object] = []
        for kind in types:
            found += self._by_type.get(kind, ())
        return cast("list[Node]", found)


@dataclass
class Module:
    """A module's text, read once for all who look at it."""

    tree: ast.Module
    nodes: Nodes

    @functools.cached_property
    def may_await(self) -> bool:
        """Whether anything in it awaits, or may."""
        return bool(self.nodes.of(*_AWAITING))

    def below(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Nodes:
        """The nodes of one of its functions, itself included."""
        return self.nodes if self.tree.body == [function] else Nodes(walk(function))


class TooDeepError(ValueError):
    """A text is nested deeper than any that people write."""

    def __init__(self) -> None:
        super().__init__("too deeply nested")


def parse_module(text: str) -> Module:
    """Read a module.

    Raises:
        SyntaxError, ValueError, MemoryError, RecursionError: as ``ast.parse``.
        TooDeepError: nested deeper than ``MAX_TREE_DEPTH``.
    """
    tree = ast.parse(text)
    return Module(tree, Nodes(_bounded(tree)))


def parse_expression(text: str) -> ast.Expression:
    """The tree of an expression; raises as ``parse_module`` does."""
    tree = ast.parse(text, mode="eval")
    _bounded(tree)
    return tree


def _bounded(tree: ast.AST) -> list[ast.AST]:
    """The nodes of a tree of a bounded depth."""
    nodes = [tree]
    start = 0
    for _ in range(MAX_TREE_DEPTH):
        end = len(nodes)
        for node in nodes[start:end]:
            nodes += _children(node)
        if len(nodes) == end:
            return nodes
        start = end
    raise TooDeepError


def walk(tree: ast.AST) -> list[ast.AST]:
    """All nodes of a tree, as ``ast.walk`` gives them, in a third of its time."""
    nodes = [tree]
    for node in nodes:
        nodes += _children(node)
    return nodes


def _children(node: ast.AST) -> list[ast.AST]:
    children: list[ast.AST] = []
    for value in vars(node).values():
        if isinstance(value, ast.AST):
            children.append(value)
        elif value.__class__ is list:
            children += [item for item in value if isinstance(item, ast.AST)]
    return children


def check_module(module: Module) -> None:
    """Check what only Python's compiler sees, such as a ``return`` outside of a function.

    A plain ``transform`` that awaits passes: it becomes ``async def``.

    Raises:
        SyntaxError: as Python does.
    """
    tree = module.tree
    if module.may_await:
        tree = ast.Module([_as_async(item) for item in tree.body], tree.type_ignores)
    compile(tree, "<code>", "exec", dont_inherit=True)


def _as_async(item: ast.stmt) -> ast.stmt:
    if not (isinstance(item, ast.FunctionDef) and item.name == "transform" and awaits(item)):
        return item
    fields = {name: getattr(item, name) for name in item._fields}
    return ast.copy_location(ast.AsyncFunctionDef(**fields), item)


def awaits(function: ast.FunctionDef) -> bool:
    """Whether the function's own body awaits; nested functions do not count."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) and any(
            generator.is_async for generator in node.generators
        ):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))
    return False
