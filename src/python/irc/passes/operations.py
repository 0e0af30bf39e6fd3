"""Declarative operations: looked up, their arguments checked, and lowered to statements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from irc.diagnostics import did_you_mean
from irc.ir.lowered import Body
from irc.ir.model import Operation
from irc.ops.registry import operations
from irc.passes.shape import validate

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


@dataclass(frozen=True)
class LoweredOperation:
    """An operation as statements.

    Attributes:
        body: they return the node's outputs.
        keys: the keys of the object that it gives; None where only the run time knows them.
    """

    body: Body
    keys: Collection[str] | None


def lower_operation(lowering: Lowering) -> LoweredOperation | None:
    """The operation of a node's ``transform.spec``; None where it is wrong.

    Reports:
        E204 an unknown operation, E205 arguments, and what the operation itself refuses.
    """
    transform = lowering.node.transform
    assert transform is not None
    path = (*lowering.path, "transform", "spec")
    spec = validate(lowering.document, Operation, transform.spec, path, lowering.report)
    if spec is None:
        return None
    operation = operations().get(spec.op)
    if operation is None:
        lowering.report.error(
            "E204", lowering.document.span((*path, "op")), f"'{spec.op}' is no operation",
            hint=did_you_mean(spec.op, operations()) or f"operations: {', '.join(sorted(operations()))}",
        )  # fmt: skip
        lowering.value(spec.args, (*path, "args"))  # for what is wrong with its references
        return None
    arguments = validate(
        lowering.document, operation.arguments, spec.args, (*path, "args"), lowering.report, "E205"
    )
    if arguments is None:
        lowering.value(spec.args, (*path, "args"))
        return None
    body = operation.lower(lowering, arguments)
    return None if body is None else LoweredOperation(body, operation.keys(arguments))
