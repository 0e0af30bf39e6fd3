"""The generated tests: the flow's own cases, and tables of what the flow says with their checks."""

from __future__ import annotations

from irc.emit.agent import Compiled, header
from irc.emit.code import Call, Code, Items, call, literal, mapped, quoted, render
from irc.emit.names import Names, snake
from irc.emit.node_values import sample_context
from irc.emit.writer import Writer
from irc.ir.model import Case, Mock

CHECKS = {
    "check_own_work": (
        "own_work", "node.runs", "Each node asks for what the flow says, and gives its outputs.",
    ),
    "check_timeout": (
        "timeout", "node.timeout_ms", "An attempt ends when its time is over, and not before.",
    ),
    "check_attempts": (
        "attempts", "node.attempts > 1", "All attempts are made, with pauses that double.",
    ),
    "check_no_second_attempt": (
        "no_second_attempt", "node.attempts > 1",
        "What cannot succeed on a second try is not tried again.",
    ),
    "check_fallback": (
        "fallback", "node.fallback_on", "A fallback answers to its kinds of failure, and no others.",
    ),
    "check_invalid_inputs": (
        "invalid_inputs", "node.invalid_inputs", "An input that its schema refuses fails the node.",
    ),
    "check_invalid_outputs": (
        "invalid_outputs", "node.invalid_outputs or node.invalid_completion",
        "A result that its schema refuses fails the attempt.",
    ),
    "check_missing_context": (
        "missing_context", "node.requires", "A node does not start without what it requires.",
    ),
    "check_missing_row": (
        "missing_row", 'node.method == "read"', "A key without a row is no reason to try again.",
    ),
    "check_defaults": (
        "defaults", "node.defaults", "An output for which a node says nothing is its default.",
    ),
    "check_state": (
        "state", "node.state", "State is kept by key, for its time, and not after a failure.",
    ),
    "check_concurrency": (
        "concurrency", "node.concurrency", "As many executions run at once as the flow allows.",
    ),
    "check_cache": (
        "cache", "node.cache_s", "Equal calls share a result while it stands; others do not.",
    ),
}  # fmt: skip
"""By check of ``irc_runtime.testing``: the test's name, which nodes it is for, what it says."""


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
        self.uses_pytest = False
        self.tests = {name: unit.tests for name, unit in compiled.units.items()}

    def uses(self, module: str, name: str) -> str:
        self.imports.add((module, name))
        return name

    def emit(self) -> str:
        for test, _, _ in CHECKS.values():
            self.names.take(f"test_{test}")
        self._write_tables()
        for index, case in enumerate(self.flow.tests):
            self._write_case(index, case)
        self._write_missing_fields()
        self._write_checks({check for tests in self.tests.values() for check in tests.checks})
        top = Writer()
        for line in header(self.compiled):
            top.line(line)
        top.line(f'"""Tests of {self.compiled.document.source.name}."""')
        top.blank()
        if self.uses_pytest:
            top.line("import pytest")
            top.blank()
        modules: dict[str, set[str]] = {}
        for module, name in self.imports:
            modules.setdefault(module, set()).add(name)
        for module in sorted(modules):
            names = Call("", tuple(sorted(modules[module])))
            listed = ", ".join(sorted(modules[module]))
            line = f"from {module} import {listed}"
            top.line(line if len(line) <= 100 else f"from {module} import {render(names, 0, 99)}")
        top.extend(self.body)
        return top.text()

    def _open(self, name: str, doc: str, parameter: str = "") -> None:
        self.body.blank(2)
        self._define(self.names.take("test_" + snake(name), "again"), doc, parameter)

    def _define(self, name: str, doc: str, parameter: str = "") -> None:
        self.body.line(f"def {name}({parameter}) -> None:")
        with self.body.indented():
            self.body.line(f'"""{doc}"""')

    def _line(self, text: str, code: Code | None = None, after: str = "") -> None:
        with self.body.indented():
            self.body.line(text, code, after)

    # What the flow says of its nodes

    def _write_tables(self) -> None:
        self.body.blank()
        self.body.line("# Request fields that every node finds.")
        self.body.line("CONTEXT = ", literal(sample_context(self.flow.context)))
        self.body.blank()
        self.body.line("# What the flow says of each node, with sample values that fit its ports.")
        self.body.line("NODES = [")
        for name, tests in self.tests.items():
            for reason in tests.left_out:
                self.body.line(f"    # Not tested of '{name}': {reason}.")
            if tests.row:
                self.uses("irc_runtime.testing", "NodeFacts")
                if "check_state" in tests.checks:
                    self.uses("irc_runtime.testing", "StateFacts")
                self.body.line(tests.row)
        self.body.line("]")

    def _write_checks(self, applied: set[str]) -> None:
        for check, (test, selection, doc) in CHECKS.items():
            if check not in applied:
                continue
            self.uses_pytest = True
            self.uses("irc_runtime.testing", check)
            self.body.blank(2)
            nodes = f"[node for node in NODES if {selection}]"
            self.body.line(f'@pytest.mark.parametrize("node", {nodes}, ids=str)')
            self._define(f"test_{test}", doc, "node: NodeFacts")
            self._line(f"{check}({self.agent}, CONTEXT, node)")

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
        if not expects_failure:
            self._write_kept(case)

    def _write_kept(self, case: Case) -> None:
        """What the code of nodes with state has set, where it ran and ended well."""
        for name, tests in self.tests.items():
            if tests.state_names and name not in case.mocks:
                names = Items(tuple(quoted(item) for item in tests.state_names), "{}")
                kept = render(names)
                self._line(f"assert case.kept.get({quoted(name)}, {kept}) >= {kept}")

    def _mocks(self, given: Mock | list[Mock]) -> Code:
        if isinstance(given, list):
            return Items(tuple(self._mocks(item) for item in given))
        return literal(given.model_dump(exclude_unset=True))

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
