"""Templates of prompts: Jinja2, with every mistake at its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes as jinja
from jinja2.compiler import CodeGenerator
from jinja2.meta import TrackingCodeGenerator

from irc.diagnostics import Span, did_you_mean
from irc.ir.model import FileText
from irc.passes.template_reads import template_reads
from irc.source import Path

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


_ENVIRONMENT = _Environment(autoescape=False, optimized=False)

SpanOfLine = Callable[[int, str], Span]
"""From a line of a text (and a word on it) to the place in a file."""


def read_template(
    lowering: Lowering, value: str | FileText, path: Path, any_variable: bool
) -> str | None:
    """The text of a template, after checking it; None where it is wrong.

    Args:
        any_variable: whether it may read what no input declares.
    Reports:
        E404 syntax, E405 variables and E306 context fields that are not declared, E501 includes.
    """
    if isinstance(value, FileText):
        source = lowering.files.load(value.file, (*path, "file"))
        if source is None:
            return None
        lines = source.text.split("\n")

        def place(line: int, word: str) -> Span:
            text = lines[min(line, len(lines)) - 1]
            column = max(_word(text, word), 0)
            return Span(source.name, line, column + 1, line, column + 1 + max(len(word), 1))

        text = source.text
    else:
        text = value

        def place(line: int, word: str) -> Span:
            rows = text.split("\n")
            row = min(line, len(rows)) - 1
            start = sum(len(item) + 1 for item in rows[:row]) + max(_word(rows[row], word), 0)
            return lowering.document.text_span(path, start, start + max(len(word), 1))

    try:
        tree = _ENVIRONMENT.parse(text)
        _ENVIRONMENT.compile(tree)  # unknown filters and tests
        fine = _check_variables(lowering, tree, place, any_variable)
    except jinja2.TemplateSyntaxError as error:
        lowering.report.error("E404", place(error.lineno, ""), f"the template: {error.message}")
        return None
    except ValueError as error:
        lowering.report.error("E404", place(1, ""), f"the template: {error}")
        return None
    except (RecursionError, SyntaxError):  # SyntaxError: more blocks than Python nests
        lowering.report.error("E404", place(1, ""), "the template is too deeply nested")
        return None
    lowering.result.templates.append(template_reads(tree))
    return text if fine else None


def _check_variables(
    lowering: Lowering, tree: jinja.Template, place: SpanOfLine, any_variable: bool
) -> bool:
    inputs = [port.name for port in lowering.node.inputs]
    known = {*inputs, "context", *(["state"] if lowering.node.state is not None else [])}
    fine = True
    tracker = _Variables(_ENVIRONMENT)
    tracker.visit(tree)
    undeclared = tracker.undeclared_identifiers
    lowering.result.inputs_read |= undeclared & set(inputs)
    for other in tree.find_all((jinja.Include, jinja.Import, jinja.FromImport, jinja.Extends)):
        fine = False
        lowering.report.error(
            "E501", place(other.lineno, ""), "a template that refers to another one"
        )
    for item in tree.find_all(jinja.Name):
        if item.name in undeclared and item.name not in known and not any_variable:
            fine = False
            lowering.report.error(
                "E405", place(item.lineno, item.name),
                f"the template reads '{item.name}', which is no input of '{lowering.name}'",
                related=[
                    (lowering.document.key_span(lowering.path), f"inputs: {', '.join(inputs) or 'none'}")
                ],
                hint=did_you_mean(item.name, known),
            )  # fmt: skip
    lowering.result.context_fields |= _fields_by_get(tree)
    for access in tree.find_all((jinja.Getattr, jinja.Getitem)):
        field = _context_field(access)
        if field is None:
            continue
        lowering.result.context_fields.add(field)
        if field not in lowering.context_fields:
            fine = False
            lowering.report.error(
                "E306", place(access.lineno, field), f"'{field}' is not in the flow's context",
                hint=did_you_mean(field, lowering.context_fields)
                or f"add '{field}' to context.requires or context.optional",
            )  # fmt: skip
    return fine


def _context_field(access: Any) -> str | None:
    """The field of ``context.field``, ``context["field"]``; None for other accesses and ``get``."""
    if not (isinstance(access.node, jinja.Name) and access.node.name == "context"):
        return None
    if isinstance(access, jinja.Getattr):
        return None if access.attr == "get" else access.attr
    constant = access.arg.value if isinstance(access.arg, jinja.Const) else None
    return constant if isinstance(constant, str) else None


def _fields_by_get(tree: jinja.Template) -> set[str]:
    """The fields of ``context.get("field")``, which need not be declared."""
    return {
        call.args[0].value
        for call in tree.find_all(jinja.Call)
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
