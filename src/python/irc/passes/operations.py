"""Declarative operations: looked up, their arguments checked, and lowered to statements."""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irc.diagnostics import did_you_mean
from irc.emit.code import INDENT, render
from irc.ir.lowered import Body
from irc.ir.model import Operation
from irc.ops.packages import BrokenOperationError, described, offers, package, raised_in
from irc.ops.registry import OperationType, find_operation, operation_names
from irc.passes.shape import validate
from irc.source import Path

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
        E204 an unknown operation, E205 arguments, E208 an operation of a package that does not
        work, and what the operation itself refuses.
    """
    transform = lowering.node.transform
    assert transform is not None
    path = (*lowering.path, "transform", "spec")
    spec = validate(lowering.document, Operation, transform.spec, path, lowering.report)
    if spec is None:
        return None
    try:
        operation = find_operation(spec.op)
        if operation is not None and spec.op in offers():
            return _lower_guarded(lowering, operation, spec, path)
    except BrokenOperationError as error:
        lowering.report.error(
            "E208", lowering.document.span((*path, "op")), str(error), hint=error.hint
        )
        return None
    if operation is None:
        names = operation_names()
        lowering.report.error(
            "E204", lowering.document.span((*path, "op")), f"'{spec.op}' is no operation",
            hint=did_you_mean(spec.op, names) or f"operations: {', '.join(sorted(names))}",
        )  # fmt: skip
        lowering.value(spec.args, (*path, "args"))  # for what is wrong with its references
        return None
    return _lower(lowering, operation, spec, path)


def _lower(
    lowering: Lowering, operation: OperationType[Any], spec: Operation, path: Path
) -> LoweredOperation | None:
    arguments = validate(
        lowering.document, operation.arguments, spec.args, (*path, "args"), lowering.report, "E205"
    )
    if arguments is None:
        lowering.value(spec.args, (*path, "args"))
        return None
    body = operation.lower(lowering, arguments)
    return None if body is None else LoweredOperation(body, operation.keys(arguments))


def _lower_guarded(
    lowering: Lowering, operation: OperationType[Any], spec: Operation, path: Path
) -> LoweredOperation | None:
    """The same for an operation of a package, whose mistakes are not irc's.

    Raises:
        BrokenOperationError: it fails, or what it gives is not what the emitter takes.
    """
    entry = offers()[spec.op][0]
    what = f"'{spec.op}' of {package(entry)}"
    try:
        lowered = _lower(lowering, operation, spec, path)
    except Exception as error:  # of a package; those of irc itself are crashes
        raise BrokenOperationError(
            f"{what} failed: {described(error)}", f"it was raised in {raised_in(error, entry)}"
        ) from error
    problem = None
    if lowered is None:
        if not lowering.report.has_errors:
            problem = "refuses the node and does not say why"
    elif not isinstance(lowered.body, Body):
        problem = f"is lowered to something of the type '{type(lowered.body).__name__}', not Body"
    elif not _is_python(lowered.body):
        problem = "is lowered to statements that are not Python"
    if problem is not None:
        raise BrokenOperationError(
            f"{what} {problem}", "tell its authors; docs/operations.md says what irc expects"
        )
    return lowered


def _is_python(body: Body) -> bool:
    """Whether the statements are those of a method."""
    lines = ["async def method():"]
    for line in body.lines:
        indent = line.depth + 1
        lines.append(
            INDENT * indent + line.text + ("" if line.code is None else render(line.code, indent))
        )
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return False
    return True
