"""The registry of declarative operations: irc's own by family, and those of installed packages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from irc.ir.lowered import Body
from irc.ir.model import Node, Operation, Shape

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

Arguments = TypeVar("Arguments", bound=Shape)


@dataclass(frozen=True)
class OperationType(Generic[Arguments]):
    """One operation of the catalogue.

    Attributes:
        name: as in ``op``.
        arguments: the shape of ``args``.
        lower: from checked arguments to the body of the node's method; None where it has refused
            them.
        effectful: whether it changes something outside the request.
        idempotent: whether doing it twice with the same arguments changes no more than once.
        keys: the keys of the object that it gives with such arguments, none for another value;
            None where only the run time knows.
    """

    name: str
    arguments: type[Arguments]
    lower: Callable[[Lowering, Arguments], Body | None]
    effectful: bool = False
    idempotent: bool = False
    keys: Callable[[Arguments], Collection[str] | None] = lambda _: None


@functools.cache
def built_in() -> dict[str, OperationType[Any]]:
    """The operations that irc itself brings, by name."""
    from irc.ops import features, http, response, sequences

    families: tuple[tuple[OperationType[Any], ...], ...] = (
        features.OPERATIONS, http.OPERATIONS, response.OPERATIONS, sequences.OPERATIONS,
    )  # fmt: skip
    return {item.name: item for family in families for item in family}


def operation_names() -> list[str]:
    """The names of all operations, irc's own first; no package is imported for them."""
    from irc.ops.packages import offers

    return list(dict.fromkeys([*built_in(), *offers()]))


def find_operation(name: str) -> OperationType[Any] | None:
    """An operation by its name; None where there is none.

    Raises:
        BrokenOperationError: a package offers it, and it cannot be used.
    """
    from irc.ops.packages import load, offers

    return load(name) if name in offers() else built_in().get(name)


def operations() -> dict[str, OperationType[Any]]:
    """All operations by name, irc's own first.

    Raises:
        BrokenOperationError: one of a package cannot be used.
    """
    found = ((name, find_operation(name)) for name in operation_names())
    return {name: operation for name, operation in found if operation is not None}


def operation_of(node: Node) -> OperationType[Any] | None:
    """The operation that a declarative node runs.

    None for other nodes, and for operations that are unknown or cannot be used.
    """
    from irc.ops.packages import BrokenOperationError

    transform = node.transform
    if transform is None or transform.mode != "declarative":
        return None
    spec = transform.spec
    name = (
        spec.get("op")
        if isinstance(spec, dict)
        else spec.op
        if isinstance(spec, Operation)
        else None
    )
    try:
        return find_operation(name) if isinstance(name, str) else None
    except BrokenOperationError:
        return None
