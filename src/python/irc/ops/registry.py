"""The registry of declarative operations.

An installed package adds operations through the entry point group ``irc.operations``: each entry
is an ``OperationType``.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irc.ir.lowered import Body
from irc.ir.model import Node, Operation, Shape

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

ENTRY_POINTS = "irc.operations"


@dataclass(frozen=True)
class OperationType:
    """One operation of the catalogue.

    Attributes:
        name: as in ``op``.
        arguments: the shape of ``args``.
        lower: from checked arguments to the body of the node's method; reports what it refuses.
        effectful: whether it changes something outside the request.
        idempotent: whether doing it twice with the same arguments changes no more than once.
        keys: the keys of the object that it gives with such arguments, none for another value;
            None where only the run time knows.
    """

    name: str
    arguments: type[Shape]
    lower: Callable[[Lowering, Shape], Body | None]
    effectful: bool = False
    idempotent: bool = False
    keys: Callable[[Any], Collection[str] | None] = lambda _: None


@functools.cache
def operations() -> dict[str, OperationType]:
    """All operations by name: the built-in families, then those of installed packages."""
    from irc.ops import features, http, response, sequences

    built_in = [*features.OPERATIONS, *http.OPERATIONS, *response.OPERATIONS, *sequences.OPERATIONS]
    found = {item.name: item for item in built_in}
    for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        operation = entry.load()
        if operation.name in found:
            raise ValueError(f"the operation '{operation.name}' of {entry.value} is there already")
        found[operation.name] = operation
    return found


def operation_of(node: Node) -> OperationType | None:
    """The operation that a declarative node runs; None for other nodes and unknown operations."""
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
    return operations().get(name) if isinstance(name, str) else None
