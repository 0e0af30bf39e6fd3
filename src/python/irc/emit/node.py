"""A node's part of the module: constants, the flow's own Python, and the methods."""

from __future__ import annotations

from irc.emit.code import Code, Mapped, call, docstring, literal, quoted, strings
from irc.emit.names import Answer, Import, Names
from irc.emit.node_tests import NodeTests
from irc.emit.unit import Unit
from irc.emit.user_code import PlacedCode, place_code
from irc.emit.writer import Block, Writer, line_mark
from irc.expression_rewriting import context_read
from irc.ir.lowered import Body, LoweredNode
from irc.ir.model import Node
from irc.source import Document, Path


def emit_node(
    document: Document,
    name: str,
    node: Node,
    lowered: LoweredNode,
    names: Names,
    method: str,
    tests: NodeTests,
    *,
    has_error_route: bool,
    first_name: int,
) -> Unit:
    """Write a node.

    Args:
        names: the module's names; what the node asked of them starts at ``first_name`` of their
            journal.
        method: the name of its method.
        tests: its part of the generated tests.
        has_error_route: whether its error port is connected.
    """
    emitter = _NodeEmitter(document, name, node, lowered, method, has_error_route)
    placed = emitter.place_code(names)
    imports: list[Import] = [] if placed is None else placed.imports
    if lowered.user_code is not None and lowered.user_code.module is not None:
        code = lowered.user_code
        imports = [(str(code.module), code.imported, code.function)]
    imports += sorted(lowered.named_imports)
    constants, methods = emitter.constants(), emitter.methods()
    own_code = emitter.user_code(placed)
    asked: tuple[Answer, ...] = tuple(names.journal[first_name:])
    return Unit(
        facts=lowered.facts(),
        names=asked,
        constants=emitter.block(constants),
        code=emitter.block(own_code),
        methods=emitter.block(methods),
        user_imports=tuple(imports),
        modules=() if placed is None else tuple(sorted(placed.modules)),
        is_typed=placed is None or placed.typed,
        tests=tests,
    )


class _NodeEmitter:
    def __init__(
        self,
        document: Document,
        name: str,
        node: Node,
        lowered: LoweredNode,
        method: str,
        has_error_route: bool,
    ) -> None:
        self.document = document
        self.name = name
        self.node = node
        self.lowered = lowered
        self.method = method
        self.has_error_route = has_error_route
        self.path: Path = ("nodes", name)
        self.work: Path = (*self.path, "transform" if node.prompt is None else "prompt")
        self.line = document.key_span(self.path).line

    def block(self, writer: Writer) -> Block:
        return writer.to_block(self.document.source.name, self.line)

    def place_code(self, names: Names) -> PlacedCode | None:
        code = self.lowered.user_code
        return None if code is None or code.text is None else place_code(code, names, self.name)

    def constants(self) -> Writer:
        writer = Writer()
        for constant, code in self.lowered.constants.items():
            path = self.lowered.places.get(constant, self.work)
            with writer.origin(self.name, self.document.span(path)):
                writer.blank()
                writer.line(f"{constant} = ", code, texts=self.lowered.texts.get(constant, ()))
        return writer

    def user_code(self, placed: PlacedCode | None) -> Writer:
        writer = Writer()
        if placed is None or not placed.lines:
            return writer
        writer.blank(2)
        lowered = self.lowered.user_code
        if lowered is not None and lowered.first_line is not None:
            writer.raw(placed.lines, self.name, self.document.source.name)
            return writer
        with writer.origin(self.name, self.document.span((*self.path, "transform", "spec"))):
            for text, _ in placed.lines:
                writer.line(text)
        return writer

    def methods(self) -> Writer:
        writer = Writer()
        node, lowered = self.node, self.lowered
        lowered.imports |= _ALWAYS_IMPORTED
        state = ""
        if node.state is not None:
            lowered.resources.add("states")
            lowered.imports.add(("irc_runtime.state", "State"))
            is_read = lowered.user_code is not None or node.prompt is not None
            state = f", {'' if is_read else '_'}state: State"
        with writer.indented():
            self._write_method(writer, state)
            if lowered.prepare is not None or lowered.fallbacks:
                with writer.origin(self.name, self.document.span(self.work)):
                    self._write_helpers(writer)
        return writer

    def _write_method(self, writer: Writer, state: str) -> None:
        file = self.document.source.name.rpartition("/")[2]
        writer.blank()
        with writer.origin(self.name, self.document.key_span(self.path)):
            writer.line("@", call("node", self._settings()))
            writer.line(
                f"async def {self.method}(self, inputs: Inputs, ctx: Context{state}) -> Outputs:"
            )
            with writer.indented():
                writer.line(docstring(self.node.description or f"The node {self.name}."))
                writer.line(f"# {file}:{line_mark(0)}")
        with writer.indented(), writer.origin(self.name, self.document.span(self.work)):
            _write_body(writer, self.lowered.body)

    def _write_helpers(self, writer: Writer) -> None:
        lowered = self.lowered
        if lowered.prepare is not None:
            self._write_helper(
                writer, f"_{self.name}_operation",
                f"What '{self.name}' does before it asks the model.", lowered.prepare,
            )  # fmt: skip
        for fallback in lowered.fallbacks:
            self._write_helper(
                writer, f"_{self.method}_{fallback.suffix}",
                f"What stands in for the answer of '{self.name}' when it fails.",
                fallback.body, with_state=fallback.with_state,
            )  # fmt: skip

    def _write_helper(
        self, writer: Writer, method: str, doc: str, body: Body, *, with_state: bool = False
    ) -> None:
        """A method beside the node's own; with state, that is opened around the statements."""
        writer.blank()
        writer.line(f"async def {method}(self, inputs: Inputs, ctx: Context) -> Outputs:")
        with writer.indented():
            writer.line(f'"""{doc}"""')
            if not with_state:
                _write_body(writer, body)
                return
            opened = call("self.states.open", self._state(), "inputs", "ctx")
            writer.line("async with ", opened, " as state:")
            with writer.indented():
                _write_body(writer, body)

    def _settings(self) -> Code:
        """The call of ``Node``, with what differs from its defaults."""
        node, lowered = self.node, self.lowered
        runtime = node.runtime
        keywords: dict[str, Code] = {
            "line": line_mark(0),
            "timeout_s": repr(runtime.timeout_ms / 1000),
        }
        if runtime.retries > 1:
            keywords["attempts"] = repr(runtime.retries)
            keywords["backoff_s"] = repr(runtime.retry_backoff_ms / 1000)
        if runtime.requires_context:
            keywords["requires_context"] = strings(runtime.requires_context)
        for side, schemas in (
            ("inputs", lowered.input_schemas),
            ("outputs", lowered.output_schemas),
        ):
            if schemas:
                keywords[side] = Mapped(
                    tuple((quoted(port), code) for port, code in schemas.items())
                )
        defaults = {port.name: port.default for port in node.outputs if port.default is not None}
        if defaults:
            keywords["defaults"] = literal(defaults)
        if node.error is not None and self.has_error_route:
            keywords["error_port"] = quoted(node.error.name)
            if node.error.type != "object":
                keywords["error_type"] = quoted(node.error.type)
            if lowered.error_schema is not None:
                keywords["error_schema"] = lowered.error_schema
        if node.prompt is not None and node.prompt.fallback is not None:
            on = node.prompt.fallback.on
            methods = [f"_{self.method}_{item.suffix}" for item in lowered.fallbacks]
            keywords["fallbacks"] = strings(methods)
            keywords["fallback_on"] = strings([on] if isinstance(on, str) else on)
        if node.state is not None:
            keywords["state"] = self._state()
        if runtime.concurrency is not None:
            keywords["concurrency"] = repr(runtime.concurrency)
        if runtime.cache is not None:
            lowered.imports.add(("irc_runtime.cache", "CacheSpec"))
            keywords["cache"] = call(
                "CacheSpec",
                ttl_s=repr(float(runtime.cache.ttl_seconds)),
                max_entries=repr(runtime.cache.max_entries),
            )
            keywords["cache_key"] = self._cache_key()
        return call("Node", quoted(self.name), **keywords)

    def _state(self) -> Code:
        state = self.node.state
        assert state is not None
        self.lowered.imports.add(("irc_runtime.state", "StateSpec"))
        keywords: dict[str, Code] = {
            "scope": quoted(state.scope),
            "key": quoted(state.key or self.name),
        }
        if state.scope == "session" and state.ttl_seconds is not None:
            keywords["ttl_s"] = repr(float(state.ttl_seconds))
        if state.scope == "session" and state.backend != "memory":
            keywords["backend"] = quoted(state.backend)
        return call("StateSpec", **keywords)

    def _cache_key(self) -> str:
        """What the node reads: its inputs, and the context fields that it names."""
        fields = [context_read(field) for field in sorted(self.lowered.context_fields)]
        if not fields:
            return "lambda inputs, ctx: dict(inputs)"
        return f"lambda inputs, ctx: [dict(inputs), {', '.join(fields)}]"


_ALWAYS_IMPORTED = frozenset(("irc_runtime.node", name) for name in ("Node", "node", "Outputs"))


def _write_body(writer: Writer, body: Body) -> None:
    for line in body.lines:
        if line.depth:
            with writer.indented(line.depth):
                writer.line(line.text, line.code)
        else:
            writer.line(line.text, line.code)
