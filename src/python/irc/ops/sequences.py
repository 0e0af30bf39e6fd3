"""``transform.filter``, ``.map`` and ``.reduce``: expressions over the items of an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import StrictStr

from irc.emit.code import Code, Comprehension, quoted, render
from irc.expressions import Expression
from irc.ir.lowered import Body
from irc.ir.model import Shape
from irc.ops.registry import OperationType
from irc.references import find_references, is_single

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


class PerItem(Shape):
    input: StrictStr
    expression: StrictStr


class Reduce(Shape):
    input: StrictStr
    expression: StrictStr
    initial: Any


def _parts(
    lowering: Lowering, arguments: PerItem | Reduce, names: tuple[str, ...]
) -> tuple[str, Code, Expression] | None:
    """The output port, the array and the expression."""
    assert lowering.node.transform is not None
    port = lowering.only_output(lowering.node.transform.spec["op"])
    place = (*lowering.at, "input")
    references = find_references(arguments.input, lambda start, end: None)
    if not is_single(arguments.input, references):
        lowering.refuse("'input' is one reference", "input", hint='input: "${items}"')
    array = lowering.value(arguments.input, place)
    expression = lowering.expression(
        arguments.expression,
        {**{name: name for name in names}, "context": "context"},
        (*lowering.at, "expression"),
    )
    return None if port is None or expression is None else (port.name, array, expression)


def _loop(array: Code, expression: Expression) -> str:
    """The ``for`` that gives the expression its names."""
    flat = render(array)
    if "index" in expression.names:
        return f"for index, item in enumerate({flat})"
    return f"for item in {flat}"


def lower_filter(lowering: Lowering, arguments: PerItem) -> Body | None:
    parts = _parts(lowering, arguments, ("item", "index"))
    if parts is None:
        return None
    port, array, expression = parts
    body = Body()
    clauses = (_loop(array, expression), f"if {expression.text}")
    body.add("kept = ", Comprehension("item", clauses))
    body.add(f"return {{{quoted(port)}: kept}}")
    return body


def lower_map(lowering: Lowering, arguments: PerItem) -> Body | None:
    parts = _parts(lowering, arguments, ("item", "index"))
    if parts is None:
        return None
    port, array, expression = parts
    body = Body()
    body.add("mapped = ", Comprehension(expression.code, (_loop(array, expression),)))
    body.add(f"return {{{quoted(port)}: mapped}}")
    return body


def lower_reduce(lowering: Lowering, arguments: Reduce) -> Body | None:
    parts = _parts(lowering, arguments, ("acc", "item", "index"))
    if parts is None:
        return None
    port, array, expression = parts
    body = Body()
    body.add("acc = ", lowering.value(arguments.initial, (*lowering.at, "initial")))
    body.add(f"{_loop(array, expression)}:")
    body.add("acc = ", expression.code, depth=1)
    body.add(f"return {{{quoted(port)}: acc}}")
    return body


OPERATIONS = (
    OperationType("transform.filter", PerItem, lower_filter, keys=lambda _: ()),
    OperationType("transform.map", PerItem, lower_map, keys=lambda _: ()),
    OperationType("transform.reduce", Reduce, lower_reduce),
)
