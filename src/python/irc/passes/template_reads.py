"""What a prompt's template does with what it reads, as far as its text shows.

Generated tests make up inputs, render the prompt and look for the inputs in it. Nothing is rendered
here: a template may take for ever. So they do that only for templates in which everything is
understood: values put out, conditions, loops, and the filters and tests below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import nodes as jinja

Place = tuple[str | int, ...]
"""A variable and the keys and indices behind it: ``("customer", "name")``."""

STATE = ("state",)

FILTERS = {
    **dict.fromkeys(
        ["capitalize", "e", "escape", "indent", "lower", "replace", "striptags", "title", "trim",
         "truncate", "upper", "urlencode", "wordcount"], "text",
    ),
    **dict.fromkeys(["abs", "float", "int", "round"], "number"),
    **dict.fromkeys(["first", "join", "last", "list", "reverse", "unique"], "items"),
    **dict.fromkeys(["count", "length"], "container"),
    **dict.fromkeys(["d", "default", "safe", "string", "tojson"], "any"),
}  # fmt: skip
"""By filter, the kind of value that it takes."""

TESTS = frozenset(
    ["boolean", "defined", "iterable", "mapping", "none", "number", "string", "undefined"]
)

TEXT_METHODS = frozenset(
    ["capitalize", "endswith", "lower", "lstrip", "rstrip", "startswith", "strip", "title", "upper"]
)

METHODS_OF_DICTS = frozenset(dir(dict)) | frozenset(dir(list)) | frozenset(dir(str))
"""Names that Jinja takes as methods before it looks for a key."""

_ARITHMETIC = (jinja.Add, jinja.Sub, jinja.Mul, jinja.Div, jinja.FloorDiv, jinja.Mod)


@dataclass(frozen=True)
class TemplateReads:
    """What a template reads and shows.

    Attributes:
        kinds: places that it reads, each with what must be there: ``text``, ``number``, ``items``
            (a list), ``container`` (text or a list) or ``any``.
        shown: places whose values are put out as they are, each with the places whose values must
            be true for that.
    """

    kinds: tuple[tuple[Place, str], ...]
    shown: tuple[tuple[Place, tuple[Place, ...]], ...]


class _UnknownError(Exception):
    """The template does something whose result cannot be told."""


def template_reads(tree: jinja.Template) -> TemplateReads | None:
    """What a template reads; None where it holds something that is not understood."""
    reader = _Reader()
    try:
        reader.statements(tree.body, {}, ())
    except _UnknownError:
        return None
    kinds = dict.fromkeys(reader.kinds)
    return TemplateReads(tuple(kinds), tuple(dict.fromkeys(reader.shown)))


Scope = dict[str, Place | None]
"""The template's own variables: where each comes from, or None for a value of its own making."""

Conditions = tuple[Place, ...] | None
"""Places that must be true; None for a condition that is not known."""


class _Reader:
    def __init__(self) -> None:
        self.kinds: list[tuple[Place, str]] = []
        self.shown: list[tuple[Place, tuple[Place, ...]]] = []

    def statements(self, body: list[jinja.Node], scope: Scope, when: Conditions) -> None:
        for item in body:
            if isinstance(item, jinja.Output):
                self._output(item, scope, when)
            elif isinstance(item, jinja.If):
                self._if(item, scope, when)
            elif isinstance(item, jinja.For):
                self._for(item, scope, when)
            elif isinstance(item, jinja.Assign) and isinstance(item.target, jinja.Name):
                scope[item.target.name] = self.value(item.node, scope)
            else:
                raise _UnknownError

    def _output(self, item: jinja.Output, scope: Scope, when: Conditions) -> None:
        for part in item.nodes:
            if isinstance(part, jinja.TemplateData):
                continue
            place = self.value(part, scope)
            if place is not None and when is not None:
                self.shown.append((place, when))

    def _if(self, item: jinja.If, scope: Scope, when: Conditions) -> None:
        if isinstance(item.test, jinja.Test) and self._asks_for_state(item.test):
            taken = item.test.name == "undefined"  # a node without a past has no state
            for branch in item.elif_:
                self._if(branch, scope, None if taken else when)
            self.statements(item.body if taken else item.else_, scope, when)
            return
        place = self.value(item.test, scope)
        holds = None if place is None or when is None else (*when, place)
        self.statements(item.body, dict(scope), holds)
        for branch in item.elif_:
            self._if(branch, dict(scope), None)
        self.statements(item.else_, dict(scope), None)

    def _asks_for_state(self, test: jinja.Test) -> bool:
        return (
            test.name in {"defined", "undefined"}
            and isinstance(test.node, jinja.Getattr)
            and isinstance(test.node.node, jinja.Name)
            and test.node.node.name == "state"
        )

    def _for(self, item: jinja.For, scope: Scope, when: Conditions) -> None:
        if not isinstance(item.target, jinja.Name) or item.test is not None or item.recursive:
            raise _UnknownError
        over = item.iter
        if isinstance(over, jinja.Getitem) and isinstance(over.arg, jinja.Slice):
            self._slice(over.arg)
            over = over.node
        place: Place | None = None
        if isinstance(over, jinja.Call):
            self._range(over)
        else:
            place = self.value(over, scope)
            if place is None:
                raise _UnknownError
            self.kinds += [(place, "items"), ((*place, 0), "any")]
        inner: Scope = {**scope, "loop": None}
        inner[item.target.name] = None if place is None else (*place, 0)
        self.statements(item.body, inner, when)
        self.statements(item.else_, dict(scope), None)

    def _range(self, call: jinja.Call) -> None:
        constants = all(isinstance(item, jinja.Const) for item in call.args)
        if not (isinstance(call.node, jinja.Name) and call.node.name == "range" and constants):
            raise _UnknownError
        if any(abs(item.value) > 1000 for item in call.args if isinstance(item, jinja.Const)):
            raise _UnknownError

    def _slice(self, part: jinja.Slice) -> None:
        """A slice that keeps the first item of a list of one."""
        start = part.start
        negative = isinstance(start, jinja.Neg) and isinstance(start.node, jinja.Const)
        if start is not None and not negative or part.step is not None:
            raise _UnknownError
        if part.stop is not None and not isinstance(part.stop, jinja.Const):
            raise _UnknownError

    def value(self, item: Any, scope: Scope) -> Place | None:
        """Where an expression's value comes from; None where it is made from others."""
        if isinstance(item, jinja.Const | jinja.TemplateData):
            return None
        if isinstance(item, jinja.Name):
            place = scope.get(item.name, (item.name,))
            if place == STATE:
                raise _UnknownError
            if place is not None and place != ("context",):
                self.kinds.append((place, "any"))
            return place
        if isinstance(item, jinja.Getattr | jinja.Getitem):
            return self._part(item, scope)
        if isinstance(item, jinja.Filter):
            return self._filter(item, scope)
        if isinstance(item, jinja.Call):
            return self._call(item, scope)
        if isinstance(item, jinja.Compare):
            self._compare(item, scope)
        elif isinstance(item, _ARITHMETIC):
            self._arithmetic(item, scope)
        elif isinstance(item, jinja.Test):
            if item.name not in TESTS or item.args:
                raise _UnknownError
            self.value(item.node, scope)
        elif isinstance(item, jinja.And | jinja.Or | jinja.Not | jinja.Concat | jinja.CondExpr
                        | jinja.List | jinja.Tuple):  # fmt: skip
            for child in item.iter_child_nodes():
                self.value(child, scope)
        else:
            raise _UnknownError
        return None

    def _part(self, item: jinja.Getattr | jinja.Getitem, scope: Scope) -> Place | None:
        if isinstance(item.node, jinja.Name) and item.node.name == "loop" and "loop" in scope:
            return None
        base = self.value(item.node, scope)
        if isinstance(item, jinja.Getattr):
            step: Any = item.attr
        else:
            step = item.arg.value if isinstance(item.arg, jinja.Const) else None
        if base is None or not isinstance(step, str | int) or step in METHODS_OF_DICTS:
            raise _UnknownError
        if isinstance(step, int) and step not in (0, -1):
            raise _UnknownError
        place = (*base, 0 if step == -1 else step)
        self.kinds.append((place, "any"))
        return place

    def _filter(self, item: jinja.Filter, scope: Scope) -> Place | None:
        kind = FILTERS.get(item.name)
        if kind is None or item.dyn_args or item.dyn_kwargs:
            raise _UnknownError
        place = self.value(item.node, scope)
        for argument in [*item.args, *(keyword.value for keyword in item.kwargs)]:
            self.value(argument, scope)
        if place is None:
            return None
        self.kinds.append((place, kind))
        if item.name in {"first", "last"}:
            self.kinds.append(((*place, 0), "any"))
            return (*place, 0)
        return None

    def _call(self, item: jinja.Call, scope: Scope) -> Place | None:
        method = item.node
        plain = all(isinstance(argument, jinja.Const) for argument in item.args)
        if not isinstance(method, jinja.Getattr) or item.kwargs or not plain:
            raise _UnknownError
        if isinstance(method.node, jinja.Name) and method.node.name == "context":
            name = item.args[0] if item.args else None
            if method.attr != "get" or not isinstance(name, jinja.Const):
                raise _UnknownError
            self.kinds.append((("context", name.value), "any"))
            return ("context", name.value)
        if method.attr not in TEXT_METHODS:
            raise _UnknownError
        place = self.value(method.node, scope)
        if place is not None:
            self.kinds.append((place, "text"))
        return None

    def _compare(self, item: jinja.Compare, scope: Scope) -> None:
        operands = [item.expr, *(operand.expr for operand in item.ops)]
        places = [self.value(operand, scope) for operand in operands]
        for index, operand in enumerate(item.ops):
            if operand.op in {"eq", "ne"}:
                continue
            pair = (operands[index], operands[index + 1])
            if operand.op in {"in", "notin"}:
                container = places[index + 1]
                if container is not None:
                    self.kinds.append((container, "container"))
                    self._is_kind(places[index], "text")
                continue
            kind = "text" if any(_is_text(one) for one in pair) else "number"
            self._is_kind(places[index], kind)
            self._is_kind(places[index + 1], kind)

    def _arithmetic(self, item: Any, scope: Scope) -> None:
        if _is_text(item.left) or _is_text(item.right):
            raise _UnknownError
        for operand in (item.left, item.right):
            self._is_kind(self.value(operand, scope), "number")

    def _is_kind(self, place: Place | None, kind: str) -> None:
        if place is not None:
            self.kinds.append((place, kind))


def _is_text(item: Any) -> bool:
    return isinstance(item, jinja.Const) and isinstance(item.value, str)
