"""What a node becomes: its part of the agent's module and of the tests, and what both must know."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from irc.emit.names import Answer, Import
from irc.emit.node_tests import NodeTests
from irc.emit.writer import Block
from irc.ir.lowered import Facts, shared


@dataclass(frozen=True, slots=True)
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
        tests: its part of the generated tests.
    """

    facts: Facts
    names: tuple[Answer, ...]
    constants: Block
    code: Block
    methods: Block
    user_imports: tuple[Import, ...]
    modules: tuple[str, ...]
    is_typed: bool
    tests: NodeTests

    def to_json(self) -> list[Any]:
        """As JSON can express it."""
        facts = [getattr(self.facts, item.name) for item in fields(Facts)]
        return [
            [sorted(value) if isinstance(value, frozenset) else value for value in facts],
            self.names,
            [[block.text, block.runs] for block in (self.constants, self.code, self.methods)],
            self.user_imports,
            self.modules,
            self.is_typed,
            self.tests.to_json(),
        ]

    @classmethod
    def from_json(cls, row: list[Any]) -> Unit:
        """From what ``to_json`` gave.

        Raises:
            TypeError, ValueError: the row is something else.
        """
        said, names, blocks, user_imports, modules, is_typed, tests = row
        prompts, imports, resources, uses, environment, fields_, any_field, inputs, any_input = said
        facts = Facts(
            tuple(prompts),
            shared(frozenset((module, name) for module, name in imports)),
            shared(frozenset(resources)),
            tuple((resource, tuple(constants)) for resource, constants in uses),
            shared(frozenset(environment)),
            shared(frozenset(fields_)),
            any_field,
            shared(frozenset(inputs)),
            any_input,
        )
        constants, code, methods = (Block(text, runs) for text, runs in blocks)
        return cls(
            facts,
            tuple((question, tuple(map(_frozen, asked)), answer) for question, asked, answer in names),
            constants,
            code,
            methods,
            tuple((module, name, bound) for module, name, bound in user_imports),
            tuple(modules),
            is_typed,
            NodeTests.from_json(tests),
        )


def _frozen(value: Any) -> Any:
    """An import is a tuple, which JSON has as a list."""
    return tuple(value) if isinstance(value, list) else value
