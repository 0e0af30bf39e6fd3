"""Lowered nodes: bodies of methods as statements, and what they need around them."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from irc.emit.code import Code
from irc.emit.writer import PlacedText
from irc.source import Path
from irc.syntax import Module

if TYPE_CHECKING:
    from irc.passes.template_reads import TemplateReads


@dataclass(frozen=True)
class UserCode:
    """A code transform.

    Attributes:
        function: the name that the method calls.
        text: the source, for code that stands in the YAML; None for imported functions.
        syntax: the source, read.
        module: where an imported function comes from.
        imported: the function's name in that module.
        first_line: the line of the flow's file on which the source starts; None where its lines
            are not lines of that file.
        is_async: whether the call is awaited; None where only the run time knows.
    """

    function: str
    text: str | None = None
    syntax: Module | None = None
    module: str | None = None
    imported: str = "transform"
    first_line: int | None = None
    is_async: bool | None = None


@dataclass(frozen=True)
class Line:
    """One statement: text, and an expression behind it where there is one."""

    text: str
    code: Code | None = None
    depth: int = 0


@dataclass
class Body:
    """The statements of a method."""

    lines: list[Line] = field(default_factory=list)

    def add(self, text: str, code: Code | None = None, depth: int = 0) -> None:
        self.lines.append(Line(text, code, depth))


@dataclass(frozen=True)
class Fallback:
    """What stands in for a node that failed.

    Attributes:
        suffix: the end of the method's name.
        with_state: whether it opens the node's state.
    """

    suffix: str
    body: Body
    with_state: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the flow has to know of a node, besides its code; see ``LoweredNode``."""

    prompts: tuple[str, ...]
    imports: frozenset[tuple[str, str]]
    resources: frozenset[str]
    uses: tuple[tuple[str, tuple[str, ...]], ...]
    environment: frozenset[str]
    context_fields: frozenset[str]
    reads_any_field: bool
    inputs_read: frozenset[str]
    reads_any_input: bool


@dataclass
class LoweredNode:
    """What the emitter needs of one node.

    Attributes:
        body: the method's statements.
        prepare: statements of the operation that runs before a prompt; they return its outputs.
        fallbacks: what stands in for the method when it fails, in order.
        constants: module constants by name, in order; ``Schema``, ``Prompt`` and such objects.
        places: where in the document a constant comes from, if not from what the node does.
        texts: by constant, the texts in it that have places of their own.
        user_code: the flow's own Python for this node.
        input_schemas, output_schemas: the constants that are schemas, by port.
        error_schema: the constant that is the error port's, where that is connected.
        answer_schema: the self-contained schema of a prompt's answer.
        schemas: self-contained schemas, by constant.
        templates: what each of its templates reads; None for one that does more than is understood.
        state_names: the names that its code sets in its state, whenever it ends well.
        prompts: the names of the constants that are prompts.
        imports: modules and names of irc's runtime that its code uses.
        named_imports: modules and names of others, each with what it is called here.
        resources: what its code needs of the agent: features, models, http, registry.
        uses: by resource what it is made with: names of constants, and of ``http`` addresses.
        environment: names of environment variables that it reads.
        context_fields: the context fields that it reads.
        reads_any_field: whether it may read others as well.
        inputs_read: the inputs that it reads.
        reads_any_input: whether it may read others as well.
    """

    body: Body = field(default_factory=Body)
    prepare: Body | None = None
    fallbacks: list[Fallback] = field(default_factory=list)
    constants: dict[str, Code] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, list[PlacedText]] = field(default_factory=dict)
    user_code: UserCode | None = None
    input_schemas: dict[str, str] = field(default_factory=dict)
    output_schemas: dict[str, str] = field(default_factory=dict)
    error_schema: str | None = None
    answer_schema: dict[str, Any] | None = None
    schemas: dict[str, Any] = field(default_factory=dict)
    templates: list[TemplateReads | None] = field(default_factory=list)
    state_names: set[str] = field(default_factory=set)
    prompts: list[str] = field(default_factory=list)
    imports: set[tuple[str, str]] = field(default_factory=set)
    named_imports: set[tuple[str, str, str]] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)
    uses: dict[str, list[str]] = field(default_factory=dict)
    environment: set[str] = field(default_factory=set)
    context_fields: set[str] = field(default_factory=set)
    reads_any_field: bool = False
    inputs_read: set[str] = field(default_factory=set)
    reads_any_input: bool = False

    def facts(self) -> Facts:
        """What of it the flow has to know."""
        return Facts(
            tuple(self.prompts),
            shared(frozenset(self.imports)),
            shared(frozenset(self.resources)),
            tuple((resource, tuple(names)) for resource, names in self.uses.items()),
            shared(frozenset(self.environment)),
            shared(frozenset(self.context_fields)),
            self.reads_any_field,
            shared(frozenset(self.inputs_read)),
            self.reads_any_input,
        )


Hashed = TypeVar("Hashed", bound=Hashable)


@functools.lru_cache(maxsize=4096)
def shared(value: Hashed) -> Hashed:
    """One of all equal values: the nodes of a large flow are much alike."""
    return value
