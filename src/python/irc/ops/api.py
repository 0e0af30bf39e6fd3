"""What a package that adds operations imports from irc: this module, and no other.

docs/operations.md shows a package. All names here may change until irc 1.0, with a line in the
changelog; what is not named here may change at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from irc.emit.code import Call, Code, Items, Mapped, call, literal, mapped, quoted, strings
from irc.expressions import Expression
from irc.ir.lowered import Body
from irc.ir.model import Node, Port, Shape
from irc.ops.registry import OperationType
from irc.source import Path

__all__ = [
    "Body",
    "Call",
    "Code",
    "Expression",
    "Items",
    "Mapped",
    "Node",
    "OperationLowering",
    "OperationType",
    "Path",
    "Port",
    "Shape",
    "call",
    "literal",
    "mapped",
    "quoted",
    "strings",
]


class OperationLowering(Protocol):
    """A node while its operation is lowered: its statements, and what they need around them.

    In the statements, ``inputs`` and ``ctx`` are the node's inputs and the request's context; both
    are read by the code that ``value`` gives. What a lowering does may depend on the node and its
    arguments alone: the result is kept for the next time.

    Attributes:
        name: the node's id.
        node: the node; operations read its ``inputs`` and ``outputs``, lists of ``Port``.
        at: the place of ``args`` in the flow.
    """

    name: str
    node: Node

    @property
    def at(self) -> Path: ...

    def value(self, data: Any, path: Path) -> Code:
        """A YAML value with references in it, as code.

        Args:
            data: the value, as it stands in the arguments.
            path: its place: ``(*lowering.at, "address")``.
        Reports:
            E408, E306 references that do not resolve.
        """

    def address(self, url: str, path: Path) -> Code:
        """A URL with references in it, or the start of one, as code.

        The agent's HTTP client asks declared hosts alone: with this, the host that the flow writes
        or reads from the environment is one. What callers may choose, the operator declares.
        """

    def expression(self, text: str, scope: Mapping[str, str], path: Path) -> Expression | None:
        """An expression of the language, as code; None where it is wrong.

        Args:
            scope: by each name that it may read, the Python for it.
            path: its place.
        Returns:
            ``code`` for a tree, ``text`` for one line of it, ``names`` for the names that it reads.
        Reports:
            E402, E403.
        """

    def only_output(self, operation: str) -> Port | None:
        """The node's one output; None where it has another number of them.

        Reports:
            E205.
        """

    def by_port(self, value: Code) -> Code:
        """The node's outputs, each from the key of its name in an object."""

    def uses(self, module: str, name: str) -> str:
        """Import a name into the agent's module; gives what it is called there."""

    def needs(self, resource: str) -> str:
        """The code of something that the agent holds: ``http``, its HTTP client."""

    def refuse(self, message: str, *below: str | int, hint: str | None = None) -> None:
        """Report E205 at the arguments, or at the place below them that the keys lead to."""
