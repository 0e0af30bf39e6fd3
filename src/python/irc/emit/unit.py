"""What a node becomes: its part of the agent's module and of the tests, and what both must know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from irc.emit.names import Answer, Import
from irc.emit.writer import Block
from irc.ir.lowered import Facts


@dataclass(frozen=True)
class Unit:
    """One compiled node; it does not depend on where in the flow the node stands.

    Attributes:
        facts: what the agent has to know of it.
        names: what it asked of the module's names, and the answers that its code holds.
        constants: the constants of the module.
        code: the flow's own Python.
        methods: the node's method, and that of its fallback.
        user_imports: what the flow's own Python imports.
        modules: all modules that it imports, those within functions included.
        is_typed: whether every function of it is annotated in full.
    """

    facts: Facts
    names: tuple[Answer, ...]
    constants: Block
    code: Block
    methods: Block
    user_imports: tuple[Import, ...]
    modules: tuple[str, ...]
    is_typed: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON can express it, in an order of its own."""
        row = asdict(self)
        facts = row["facts"]
        return {
            **row,
            "facts": {k: sorted(v) if isinstance(v, set) else v for k, v in facts.items()},
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Unit:
        """From what ``to_json`` gave.

        Raises:
            KeyError, TypeError, ValueError: the row is something else.
        """
        facts = Facts()
        for item in fields(Facts):
            value = row["facts"][item.name]
            if isinstance(getattr(facts, item.name), set):
                value = {tuple(x) if isinstance(x, list) else x for x in value}
            setattr(facts, item.name, value)
        blocks = {
            name: Block(row[name]["text"], tuple(map(tuple, row[name]["runs"])))
            for name in ("constants", "code", "methods")
        }
        return cls(
            facts=facts,
            names=tuple(
                (question, tuple(tuple(x) if isinstance(x, list) else x for x in asked), answer)
                for question, asked, answer in row["names"]
            ),
            user_imports=tuple((module, name, bound) for module, name, bound in row["user_imports"]),
            modules=tuple(row["modules"]),
            is_typed=row["is_typed"],
            **blocks,
        )
