"""Templates of prompts: Jinja2, with every mistake at its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes as jinja
from jinja2.compiler import CodeGenerator
from jinja2.meta import TrackingCodeGenerator

from irc.diagnostics import Span, did_you_mean
from irc.ir.model import FileText
from irc.passes.template_names import knowing, unknown_names
from irc.passes.template_reads import template_reads
from irc.source import Document, Path, SourceFile
from irc.syntax import Nodes

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


class _NoFolding(CodeGenerator):
    """Writes a template's code without computing its constants: `{{ 9**9**9 }}` never ends."""

    def _output_child_to_const(self, node: jinja.Expr, frame: Any, finalize: Any) -> str:
        raise jinja.Impossible


class _Variables(_NoFolding, TrackingCodeGenerator):
    """Collects the variables that a template takes from outside."""


class _Environment(jinja2.Environment):
    code_generator_class = _NoFolding


_BLOCKS: tuple[type[jinja.Stmt], ...] = (
    jinja.For, jinja.If, jinja.With, jinja.Macro, jinja.CallBlock, jinja.FilterBlock, jinja.Block,
    jinja.AssignBlock,
)  # fmt: skip
_MOST_BLOCKS = 15
"""So many blocks, one in another, Python takes for sure; of more, it has to be asked."""

_ENVIRONMENT = _Environment(autoescape=False, optimized=False)

SpanOfLine = Callable[[int, str], Span]
"""From a line of a text (and a word on it) to the place in a file."""


@dataclass
class TemplateReader:
    """Reads the templates of one prompt, and the files that they refer to.

    Args:
        variables: what they may read besides the node's inputs; None lets them read anything.
        files: texts of the templates that were referred to, by the names that were used.
    """

    lowering: Lowering
    variables: Collection[str] | None
    files: dict[str, str] = field(default_factory=dict)
    _wrong: set[str] = field(default_factory=set)

    def read(self, value: str | FileText, path: Path) -> str | None:
        """The text of a template, after checking it; None where it is wrong.

        Reports:
            E404 syntax, E405 variables and E306 context fields that are not declared, E313 files
            that do not exist.
        """
        node = self.lowering.node
        known = None
        if self.variables is not None:
            known = {port.name for port in node.inputs} | {*self.variables, "context"}
            known |= {"state"} if node.state is not None else set()
        if not isinstance(value, FileText):
            place = _in_document(self.lowering.document, value, path)
            return value if self._check(value, place, known, ()) is not None else None
        source = self.lowering.files.load(value.file, (*path, "file"))
        if source is None:
            return None
        checked = self._check(source.text, _in_file(source), known, (value.file,))
        return source.text if checked is not None else None

    def _check(
        self, text: str, place: SpanOfLine, known: set[str] | None, trail: tuple[str, ...]
    ) -> set[str] | None:
        """Check one text and what it refers to.

        Args:
            known: the variables that it sees; None for any.
            trail: the files on the way to it.
        Returns:
            The names that it sets; None where something is wrong.
        """
        report = self.lowering.report
        try:
            tree = _ENVIRONMENT.parse(text)
            nodes = Nodes(_walk(tree))
            unknown = list(unknown_names(nodes, _ENVIRONMENT))
            for item in unknown:
                report.error(
                    "E404", place(item.line, item.name), f"the template: {item.message}", hint=item.hint
                )  # fmt: skip
            environment: jinja2.Environment = _ENVIRONMENT
            if unknown:
                environment = knowing(environment, (item.name for item in unknown))
            if len(nodes.of(*_BLOCKS)) >= _MOST_BLOCKS:
                environment.compile(tree)
            sets = _names_set(nodes)
            found = self._check_references(nodes, place, known, sets, trail)
            blocks_see = sets if nodes.of(jinja.Block) else set()
            seen = None if known is None or found is None else known | found | blocks_see
            fine = _check_variables(self.lowering, tree, nodes, environment, place, seen)
            fine = fine and found is not None and not unknown
        except jinja2.TemplateSyntaxError as error:
            report.error("E404", place(error.lineno, ""), f"the template: {error.message}")
        except ValueError as error:
            report.error("E404", place(1, ""), f"the template: {error}")
        except (RecursionError, SyntaxError):  # SyntaxError: more blocks than Python nests
            report.error("E404", place(1, ""), "the template is too deeply nested")
        else:
            return sets | (found or set()) if fine else None
        return None

    def _check_references(
        self,
        nodes: Nodes,
        place: SpanOfLine,
        known: set[str] | None,
        sets: set[str],
        trail: tuple[str, ...],
    ) -> set[str] | None:
        """Check what a template refers to; the names that the templates it extends set."""
        inherited: set[str] = set()
        fine = True
        references: list[Any] = [
            *nodes.of(jinja.Include), *nodes.of(jinja.Import), *nodes.of(jinja.FromImport),
            *nodes.of(jinja.Extends),
        ]  # fmt: skip
        for item in references:
            names = _constant_names(item)
            if names is None:
                fine = False
                self.lowering.report.error(
                    "E404", place(item.lineno, ""), "the template's name is not known before it runs",
                    hint="write the file's name as a text, relative to the flow",
                )  # fmt: skip
                continue
            given = known
            if known is not None:
                given = known | sets if getattr(item, "with_context", True) else set()
            for name in names:
                found = self._check_file(name, item, place, given, trail)
                fine = fine and found is not None
                if isinstance(item, jinja.Extends):
                    inherited |= found or set()
        return inherited if fine else None

    def _check_file(
        self,
        name: str,
        item: Any,
        place: SpanOfLine,
        given: set[str] | None,
        trail: tuple[str, ...],
    ) -> set[str] | None:
        """Check a file that a template names; the names that it sets."""
        span = place(item.lineno, name)
        if name in trail:
            cycle = " -> ".join([*trail[trail.index(name) :], name])
            self.lowering.report.error("E404", span, f"the templates refer to each other: {cycle}")
            return None
        if name in self._wrong:  # told already
            return None
        optional = getattr(item, "ignore_missing", False)
        source = self.lowering.files.load_at(name, span, optional=optional)
        if source is None:
            return set() if optional else None
        self.files[name] = source.text
        found = self._check(source.text, _in_file(source), given, (*trail, name))
        if found is None:
            self._wrong.add(name)
        return found


def _in_file(source: SourceFile) -> SpanOfLine:
    lines = source.text.split("\n")

    def place(line: int, word: str) -> Span:
        text = lines[min(line, len(lines)) - 1]
        column = max(_word(text, word), 0)
        return Span(source.name, line, column + 1, line, column + 1 + max(len(word), 1))

    return place


def _in_document(document: Document, text: str, path: Path) -> SpanOfLine:
    rows = text.split("\n")

    def place(line: int, word: str) -> Span:
        row = min(line, len(rows)) - 1
        start = sum(len(item) + 1 for item in rows[:row]) + max(_word(rows[row], word), 0)
        return document.text_span(path, start, start + max(len(word), 1))

    return place


def _constant_names(item: Any) -> list[str] | None:
    """The names that a reference gives; None where only the run time knows them."""
    parts = item.template.items if isinstance(item.template, jinja.List | jinja.Tuple) else None
    names = [
        part.value if isinstance(part, jinja.Const) else None for part in parts or [item.template]
    ]
    texts = [name for name in names if isinstance(name, str)]
    return texts if len(texts) == len(names) else None


def _names_set(nodes: Nodes) -> set[str]:
    """The names that a template sets anywhere: by assignments, loops, macros, imports."""
    names = {item.name for item in nodes.of(jinja.Name) if item.ctx != "load"}
    names |= {item.name for item in nodes.of(jinja.Macro)}
    names |= {item.target for item in nodes.of(jinja.Import)}
    for item in nodes.of(jinja.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in item.names}
    return names


def _check_variables(
    lowering: Lowering,
    tree: jinja.Template,
    nodes: Nodes,
    environment: jinja2.Environment,
    place: SpanOfLine,
    known: set[str] | None,
) -> bool:
    inputs = [port.name for port in lowering.node.inputs]
    lowering.result.templates.append(template_reads(tree))
    fine = True
    tracker = _Variables(environment)
    tracker.visit(tree)
    undeclared = tracker.undeclared_identifiers
    lowering.result.inputs_read |= undeclared & set(inputs)
    for item in nodes.of(jinja.Name):
        if known is not None and item.name in undeclared and item.name not in known:
            fine = False
            blind = not known  # an import without context sees nothing
            lowering.report.error(
                "E405", place(item.lineno, item.name),
                f"the template reads '{item.name}', which an import does not see" if blind else
                f"the template reads '{item.name}', which is no input of '{lowering.name}'",
                related=[
                    (lowering.document.key_span(lowering.path), f"inputs: {', '.join(inputs) or 'none'}")
                ],
                hint="import it 'with context', or give the macro an argument" if blind else
                did_you_mean(item.name, known),
            )  # fmt: skip
    lowering.result.context_fields |= _fields_by_get(nodes)
    accesses: list[Any] = [*nodes.of(jinja.Getattr), *nodes.of(jinja.Getitem)]
    for access in accesses:
        name = _context_field(access)
        if name is None:
            continue
        lowering.result.context_fields.add(name)
        if name not in lowering.context_fields:
            fine = False
            lowering.report.error(
                "E306", place(access.lineno, name), f"'{name}' is not in the flow's context",
                hint=did_you_mean(name, lowering.context_fields)
                or f"add '{name}' to context.requires or context.optional",
            )  # fmt: skip
    return fine


def _walk(tree: jinja.Template) -> list[jinja.Node]:
    """All nodes of a template, in a third of the time that ``find_all`` takes."""
    nodes: list[jinja.Node] = [tree]
    for node in nodes:
        for field_name in node.fields:
            value = getattr(node, field_name, None)
            if isinstance(value, list):
                nodes += [item for item in value if isinstance(item, jinja.Node)]
            elif isinstance(value, jinja.Node):
                nodes.append(value)
    return nodes


def _context_field(access: Any) -> str | None:
    """The field of ``context.field``, ``context["field"]``; None for other accesses and ``get``."""
    if not (isinstance(access.node, jinja.Name) and access.node.name == "context"):
        return None
    if isinstance(access, jinja.Getattr):
        return None if access.attr == "get" else access.attr
    constant = access.arg.value if isinstance(access.arg, jinja.Const) else None
    return constant if isinstance(constant, str) else None


def _fields_by_get(nodes: Nodes) -> set[str]:
    """The fields of ``context.get("field")``, which need not be declared."""
    return {
        call.args[0].value
        for call in nodes.of(jinja.Call)
        if isinstance(call.node, jinja.Getattr)
        and isinstance(call.node.node, jinja.Name)
        and (call.node.node.name, call.node.attr) == ("context", "get")
        and call.args
        and isinstance(call.args[0], jinja.Const)
        and isinstance(call.args[0].value, str)
    }


def _word(line: str, word: str) -> int:
    match = re.search(rf"\b{re.escape(word)}\b", line) if word else None
    return match.start() if match else -1
