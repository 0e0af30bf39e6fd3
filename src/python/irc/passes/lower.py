"""The lowering pass: from each node's transform and prompt to the body of its method.

What a node says in references, expressions, templates and code is checked here, since checking
it and saying it in Python are one walk over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irc.addresses import written_address
from irc.diagnostics import Diagnostics, Span, did_you_mean
from irc.emit.code import Call, Code, Items, call, escaped, literal, mapped, quoted, strings
from irc.emit.names import IMPORTED, Names
from irc.expression_rewriting import BUILT_IN_FIELDS, context_read
from irc.expressions import (
    Expression,
    compile_expression,
)
from irc.ir.graph import Graph, NodePort
from irc.ir.lowered import LoweredNode
from irc.ir.model import Node, Port
from irc.passes.code import lower_code
from irc.passes.files import Files
from irc.passes.operations import lower_operation
from irc.passes.prompts import lower_prompt
from irc.passes.schemas import mismatch, read_schema
from irc.passes.tools import request_field
from irc.references import Reference, find_references, is_single
from irc.source import Document, Path


@dataclass
class Lowering:
    """One node while it is lowered; what operations see.

    Attributes:
        path: where the node stands in the document.
        at: where the operation's arguments stand.
        names: the names of the module.
    """

    document: Document
    graph: Graph
    files: Files
    report: Diagnostics
    name: str
    node: Node
    result: LoweredNode
    names: Names

    @property
    def path(self) -> Path:
        return ("nodes", self.name)

    @property
    def at(self) -> Path:
        return (*self.path, "transform", "spec", "args")

    @property
    def context_fields(self) -> set[str]:
        context = self.graph.flow.context
        return {*context.requires, *context.optional, *BUILT_IN_FIELDS}

    def uses(self, module: str, name: str) -> str:
        """Import a name, and give what it is called in the agent's module."""
        if name in IMPORTED and module.partition(".")[0] == "irc_runtime":
            self.result.imports.add((module, name))
            return name
        package = module.partition(".")[0]
        bound = self.names.take_import((module, name, name), package)
        self.result.named_imports.add((module, name, bound))
        return bound

    def needs(self, resource: str) -> str:
        """Say that the agent holds a resource, and give the code of it."""
        self.result.resources.add(resource)
        return f"self.{resource}"

    def inputs_of_tool(self, node: str) -> list[tuple[Port, str | None]]:
        """The inputs of the node behind a tool; each with the request's field that feeds it.

        A field feeds an input where an edge leads from ``_input`` straight to it: with neither
        condition nor transform.
        """
        return [
            (port, request_field(self.graph, NodePort(node, port.name)))
            for port in self.graph.flow.nodes[node].inputs
        ]

    def input_read(self, name: str) -> str:
        """The code that reads an input; operations read inputs through this and ``value`` only."""
        self.result.inputs_read.add(name)
        port = next(item for item in self.node.inputs if item.name == name)
        absent = port.optional and port.default is None
        return f'inputs.get("{name}")' if absent else f'inputs["{name}"]'

    def value(self, data: Any, path: Path) -> Code:
        """A YAML value with references in it, as code."""
        if isinstance(data, str):
            return self._text(data, path)
        if isinstance(data, dict):
            self._check_keys(data, path)
            return mapped((str(key), self.value(item, (*path, key))) for key, item in data.items())
        if isinstance(data, list):
            return Items(tuple(self.value(item, (*path, i)) for i, item in enumerate(data)))
        return literal(data)

    def address(self, url: str, path: Path) -> Code:
        """A URL with references in it, as code; the host that it says may then be asked."""
        written = written_address(url)
        if written is not None:
            code = self.value(written, path)
            assert isinstance(code, str)  # as that of every text
            self.result.uses.setdefault("http", []).append(code)
        return self.value(url, path)

    def _check_keys(self, data: dict[str, Any], path: Path) -> None:
        for key in data:
            if "${" in str(key):
                self.report.error(
                    "E408", self.document.key_span((*path, key)), "a key holds no references",
                    hint="references stand in values",
                )  # fmt: skip

    def _text(self, text: str, path: Path) -> Code:
        def malformed(start: int, end: int) -> None:
            self.report.error(
                "E408", self.document.text_span(path, start, end), "this reference cannot be read",
                hint="write ${port}, ${port.key[0]}, ${context.field} or ${env.NAME}",
            )  # fmt: skip

        references = find_references(text, malformed)
        if not references:
            return quoted(text)
        if is_single(text, references):
            return self.reference(references[0], path)
        if any(_is_awkward(reference) for reference in references):
            return self._joined(text, references, path)
        parts, at = [], 0
        for reference in references:
            parts.append(_f_text(text[at : reference.start]))
            parts.append("{" + self._formatted(reference, path) + "}")
            at = reference.end
        parts.append(_f_text(text[at:]))
        return 'f"' + "".join(parts) + '"'

    def _joined(self, text: str, references: list[Reference], path: Path) -> str:
        """A text whose references hold what may not stand within an f-string."""
        parts, at = [], 0
        for reference in references:
            parts.append(quoted(text[at : reference.start]))
            parts.append(self._formatted(reference, path))
            at = reference.end
        parts.append(quoted(text[at:]))
        return " + ".join(part for part in parts if part != '""')

    def _formatted(self, reference: Reference, path: Path) -> str:
        code = self.reference(reference, path)
        if not _is_awkward(reference):
            code = code.replace('"', "'")
        port = next((item for item in self.node.inputs if item.name == reference.root), None)
        whole_text = port and not reference.path and port.type in {"string", "document"}
        if reference.root == "env" or (whole_text and not code.startswith("inputs.get(")):
            return code
        return f"{self.uses('irc_runtime.delivery', 'as_text')}({code})"

    def reference(self, reference: Reference, path: Path) -> str:
        """The code that reads what a reference means."""
        steps = "".join(
            f"[{quoted(step)}]" if isinstance(step, str) else f"[{step}]" for step in reference.path
        )
        if reference.root == "context":
            return self._context_reference(reference, path)
        if reference.root == "env":
            if len(reference.path) != 1 or not isinstance(reference.path[0], str):
                self.report.error(
                    "E408", self._reference_span(reference, path),
                    "an environment variable is written ${env.NAME}",
                )  # fmt: skip
                return "None"
            self.result.environment.add(reference.path[0])
            return f"self.environment[{quoted(reference.path[0])}]"
        names = [port.name for port in self.node.inputs]
        if reference.root not in names:
            self.report.error(
                "E408", self._reference_span(reference, path),
                f"'{self.name}' has no input '{reference.root}'",
                related=[(self.document.key_span(self.path), f"inputs: {', '.join(names) or 'none'}")],
                hint=did_you_mean(reference.root, [*names, "context", "env"])
                or "arguments read the node's own inputs, 'context' and 'env'",
            )  # fmt: skip
            return "None"
        read = self.input_read(reference.root)
        if steps and read.startswith("inputs.get("):  # of what is absent, each part is
            return f'(inputs["{reference.root}"]{steps} if "{reference.root}" in inputs else None)'
        return read + steps

    def _reference_span(self, reference: Reference, path: Path) -> Span:
        return self.document.text_span(path, reference.start, reference.end)

    def _context_reference(self, reference: Reference, path: Path) -> str:
        first = reference.path[0] if reference.path else None
        if not isinstance(first, str):
            self.report.error(
                "E408", self._reference_span(reference, path),
                "a context field is written ${context.<field>}",
            )  # fmt: skip
            return "None"
        if first not in self.context_fields:
            self.report.error(
                "E306", self._reference_span(reference, path),
                f"'{first}' is not in the flow's context",
                hint=did_you_mean(first, self.context_fields)
                or f"add '{first}' to context.requires or context.optional",
            )  # fmt: skip
        self.result.context_fields.add(first)
        steps = "".join(
            f"[{quoted(step)}]" if isinstance(step, str) else f"[{step}]"
            for step in reference.path[1:]
        )
        read = context_read(first)
        if steps and first not in self.graph.flow.context.requires:
            return f"({read}{steps} if {read} is not None else None)"
        return read + steps

    def expression(self, text: str, scope: Mapping[str, str], path: Path) -> Expression | None:
        """An expression in an argument, over a scope."""
        found = compile_expression(
            text, scope, self.context_fields, self.report,
            lambda start, end: self.document.text_span(path, start, end),
        )  # fmt: skip
        if found is not None:
            self.result.context_fields |= found.context_fields
        return found

    def refuse(self, message: str, *below: str | int, hint: str | None = None) -> None:
        """Report E205 at the arguments, or at the place below them that the keys lead to."""
        self.report.error("E205", self.document.span((*self.at, *below)), message, hint=hint)

    def only_output(self, operation: str) -> Port | None:
        """The node's one output; reports E205 where it has another number of them."""
        if len(self.node.outputs) == 1:
            return self.node.outputs[0]
        self.report.error(
            "E205", self.document.key_span((*self.path, "outputs")),
            f"'{operation}' gives one value, and '{self.name}' has {len(self.node.outputs)} outputs",
        )  # fmt: skip
        return None

    def by_port(self, value: Code) -> Call:
        """The code that takes a value apart into the node's outputs."""
        ports = self.node.outputs
        optional = [port.name for port in ports if port.optional or port.default is not None]
        return Call(
            self.uses("irc_runtime.node", "by_port"),
            (value, *(quoted(port.name) for port in ports)),
            (("optional", strings(optional)),) if optional else (),
        )

    def error_is_connected(self) -> bool:
        """Whether an edge leads from the node's error port; the one thing of edges seen here."""
        return self.graph.has_error_route(self.name)

    def constant(self, suffix: str) -> str:
        """A name for a constant of this node that nothing else in the module has."""
        return self.names.take_constant(f"{self.name}_{suffix}")

    def schema_constant(self, suffix: str, schema: Any, path: Path) -> str:
        """Keep a schema that stands at a path as a constant, and give its name."""
        name = self.constant(suffix)
        self.uses("irc_runtime.schema", "Schema")
        self.result.constants[name] = call("Schema", literal(schema))
        self.result.schemas[name] = schema
        self.result.places[name] = path
        return name


def _is_awkward(reference: Reference) -> bool:
    """Whether a step of a reference cannot be written within an f-string of Python 3.11."""
    steps = [step for step in reference.path if isinstance(step, str)]
    return any(set("'\"\\") & set(step) or not step.isprintable() for step in steps)


def _f_text(text: str) -> str:
    return escaped(text).replace("{", "{{").replace("}", "}}")


def lower(
    document: Document, graph: Graph, files: Files, report: Diagnostics, name: str, names: Names
) -> LoweredNode:
    """Lower one node.

    What comes out depends on the node, the flow's context, the files that the node refers to, and
    the names that are taken: by these it is kept for the next time (``irc.incremental``).
    """
    node = graph.flow.nodes[name]
    lowering = Lowering(document, graph, files, report, name, node, LoweredNode(), names)
    _lower_schemas(lowering)
    _lower_error_port(lowering)
    if node.prompt is not None:
        lower_prompt(lowering)
    elif node.transform is not None and node.transform.mode == "code":
        lower_code(lowering)
    else:
        operation = lower_operation(lowering)
        if operation is not None:
            lowering.result.body = operation.body
    return lowering.result


def _lower_schemas(lowering: Lowering) -> None:
    sides = (
        ("inputs", lowering.node.inputs, lowering.result.input_schemas),
        ("outputs", lowering.node.outputs, lowering.result.output_schemas),
    )
    for side, ports, schemas in sides:
        for index, port in enumerate(ports):
            if port.json_schema is None:
                continue
            path = (*lowering.path, side, index, "schema")
            schema = read_schema(lowering.files, port.json_schema, path)
            if schema is not None:
                _check_default(lowering, port, schema, path[:-1])
                suffix = f"{port.name}_schema" if side == "outputs" else f"{port.name}_input_schema"
                schemas[port.name] = lowering.schema_constant(suffix, schema, path)


def _lower_error_port(lowering: Lowering) -> None:
    port = lowering.node.error
    if port is None or port.json_schema is None:
        return
    path = (*lowering.path, "error", "schema")
    schema = read_schema(lowering.files, port.json_schema, path)
    if schema is not None and lowering.error_is_connected():
        constant = lowering.schema_constant(f"{port.name}_schema", schema, path)
        lowering.result.error_schema = constant


def _check_default(lowering: Lowering, port: Port, schema: Any, path: Path) -> None:
    """Report E203 where a default is not what its own port takes."""
    problem = None if port.default is None else mismatch(schema, port.default)
    if problem:
        lowering.report.error(
            "E203", lowering.document.span((*path, "default")),
            f"the default of '{port.name}' does not fit the port's schema: {problem}",
            related=[(lowering.document.key_span((*path, "schema")), "the schema")],
        )  # fmt: skip
