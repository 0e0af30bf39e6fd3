"""The generated tests: the flow's own cases, and each node's attempts, timeout and failure."""

from __future__ import annotations

from irc.emit.agent import Compiled, header
from irc.emit.code import Code, Items, call, literal, mapped, quoted
from irc.emit.names import Names, snake
from irc.emit.writer import Writer
from irc.ir.model import Case, Mock, Node, Port

INSTANT = "2024-01-01T00:00:00Z"

MAX_ATTEMPTS = 20
"""Beyond, the pauses are not listed in a test."""


def emit_tests(compiled: Compiled) -> str:
    """Write the test module of an agent."""
    return _TestEmitter(compiled).emit()


class _TestEmitter:
    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.flow = compiled.graph.flow
        self.agent = compiled.class_name
        self.names = Names()
        self.body = Writer()
        self.imports: set[tuple[str, str]] = {(compiled.module, self.agent)}

    def uses(self, module: str, name: str) -> str:
        self.imports.add((module, name))
        return name

    def emit(self) -> str:
        for index, case in enumerate(self.flow.tests):
            self._write_case(index, case)
        for name in self.compiled.units:
            self._write_node(name, self.flow.nodes[name])
        self._write_missing_fields()
        top = Writer()
        for line in header(self.compiled):
            top.line(line)
        top.line(f'"""Tests of {self.compiled.document.source.name}."""')
        top.blank()
        modules: dict[str, set[str]] = {}
        for module, name in self.imports:
            modules.setdefault(module, set()).add(name)
        for module in sorted(modules):
            top.line(f"from {module} import {', '.join(sorted(modules[module]))}")
        return "\n".join([*top.lines, *self.body.lines]) + "\n"

    def _open(self, name: str, doc: str) -> None:
        self.body.blank(2)
        self.body.line(f"def {self.names.take('test_' + snake(name), 'again')}() -> None:")
        with self.body.indented():
            self.body.line(f'"""{doc}"""')

    def _line(self, text: str, code: Code | None = None, after: str = "") -> None:
        with self.body.indented():
            self.body.line(text, code, after)

    # The flow's cases

    def _write_case(self, index: int, case: Case) -> None:
        line = self.compiled.document.span(("tests", index)).line
        self._open(case.name, f"{self._file()}:{line}")
        mocks = mapped(
            (node, self._mocks(given))
            for node, given in case.mocks.items()
            if node in self.compiled.units
        )
        run = self.uses("irc_runtime.testing", "run_case")
        self._line("case = ", call(run, self.agent, request=literal(case.request), mocks=mocks))
        expect = case.expect
        expects_failure = expect.error is not None and expect.status is None
        if expects_failure:
            self._line("assert case.status >= 400")
        else:
            self._line(f"assert case.status == {expect.status or 200}, case.error")
        if "output" in expect.model_fields_set:
            same = "is" if expect.output is None or isinstance(expect.output, bool) else "=="
            self._line(f"assert case.output {same} ", literal(expect.output))
        if index in self.compiled.expected_schemas:
            schema = self.uses("irc_runtime.schema", "Schema")
            self._line("schema = ", call(schema, literal(self.compiled.expected_schemas[index])))
            self._line("assert schema.problem(case.output) is None, schema.problem(case.output)")
        if expect.error is not None:
            self._line("assert case.error is not None")
            self._line(f"assert {quoted(expect.error)} in case.error")
        for key, nodes in (("ran", expect.ran), ("skipped", expect.skipped)):
            known = [
                node for node in dict.fromkeys(nodes) if node in self.compiled.units or key == "ran"
            ]
            if known:
                names = Items(tuple(quoted(node) for node in known), "{}")
                self._line(f"assert case.{key} >= ", names)

    def _mocks(self, given: Mock | list[Mock]) -> Code:
        if isinstance(given, list):
            return Items(tuple(self._mocks(item) for item in given))
        return literal(given.model_dump(exclude_unset=True))

    # Nodes

    def _write_node(self, name: str, node: Node) -> None:
        if any(port.json_schema is not None for port in node.inputs):
            return  # inputs that fit a schema cannot be made up here
        fallback = node.prompt.fallback if node.prompt is not None else None
        if fallback is not None and fallback.model is not None:
            return  # nor an answer of another model that fits
        timeout_ms, attempts = node.runtime.timeout_ms, node.runtime.retries
        if 1 < attempts <= MAX_ATTEMPTS:
            self._write_attempts(name, node, attempts)
        self._open(f"{name}_times_out", f"Each attempt of '{name}' ends after {timeout_ms} ms.")
        late = literal({"outputs": {}, "delay_ms": timeout_ms + 1})
        self._run(name, node, late)
        self._check_failure(name, node, "timeout", attempts)

    def _write_attempts(self, name: str, node: Node, attempts: int) -> None:
        backoff_s = node.runtime.retry_backoff_ms / 1000
        self._open(
            f"{name}_is_tried_{attempts}_times",
            f"'{name}' is tried {attempts} times, with growing pauses.",
        )
        self._run(name, node, literal({"error": "unreachable"}))
        self._check_failure(name, node, "error", attempts)
        self._line(f"bounds_s = [{', '.join(repr(backoff_s * 2**i) for i in range(attempts - 1))}]")
        self._line("assert len(node.delays_s) == len(bounds_s)")
        self._line(
            "assert all(0 <= delay_s <= bound_s for delay_s, bound_s in zip(node.delays_s, bounds_s))"
        )

    def _run(self, name: str, node: Node, outcomes: Code) -> None:
        run = self.uses("irc_runtime.testing", "run_node")
        inputs = {port.name: _sample(port.type) for port in node.inputs}
        declared = self.flow.context.requires
        if node.state is not None:
            declared = [*declared, *self.flow.context.optional]
        fields = {field: INSTANT if field == "event_time" else "test" for field in declared}
        if node.state is not None and node.state.scope == "session":
            fields |= {"session_id": "test", "user_id": "test"}
        self._line(
            "node = ",
            call(
                run, self.agent, quoted(name), inputs=literal(inputs), context=literal(fields),
                outcomes=outcomes,
            ),
        )  # fmt: skip

    def _check_failure(self, name: str, node: Node, kind: str, attempts: int) -> None:
        """What is left when the last attempt failed: a fallback, the error port, or the error."""
        self._line(f"assert node.attempts == {attempts}")
        fallback = node.prompt.fallback if node.prompt is not None else None
        on = (
            []
            if fallback is None
            else [fallback.on]
            if isinstance(fallback.on, str)
            else fallback.on
        )
        if fallback is not None and kind in on:
            if fallback.model is None:
                self._line("assert node.error is None")
                self._line("assert node.outputs")
            return
        if node.error is not None and self.compiled.graph.has_error_route(name):
            if node.error.json_schema is None:
                self._check_error_port(node.error, kind)
        else:
            self._line("assert node.error is not None")
            self._line(f'assert node.error.kind == "{kind}"')

    def _check_error_port(self, port: Port, kind: str) -> None:
        delivered = f"node.outputs[{quoted(port.name)}]"
        if port.type in {"string", "document"}:
            self._line(f"assert {delivered}")
        else:
            item = "" if port.type == "object" else "[0]"
            self._line(f"assert {delivered}", after=f'{item}["type"] == "{kind}"')

    def _write_missing_fields(self) -> None:
        required = self.flow.context.requires
        if not required:
            return
        self._open("missing_fields_are_refused", "A request without the required fields gets 400.")
        run = self.uses("irc_runtime.testing", "run_case")
        self._line("case = ", call(run, self.agent, request="{}", mocks="{}"))
        self._line("assert case.status == 400")
        self._line("assert case.error is not None")
        for field in required:
            self._line(f"assert {quoted(field)} in case.error")

    def _file(self) -> str:
        return self.compiled.document.source.name


def _sample(kind: str) -> object:
    """A value of a port type."""
    samples: dict[str, object] = {
        "string": "text", "document": "text", "number": 1, "boolean": True,
        "object": {}, "array": [], "table": [], "embedding": [0.0],
    }  # fmt: skip
    return samples[kind]
