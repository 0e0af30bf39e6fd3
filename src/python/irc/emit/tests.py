"""The generated tests: the flow's own cases, and tables of what the flow says with their checks."""

from __future__ import annotations

from irc.emit.agent import Compiled, header
from irc.emit.code import Call, Code, Items, call, literal, mapped, quoted, render
from irc.emit.flow_tests import BranchFacts as Branch
from irc.emit.flow_tests import flow_tests
from irc.emit.inversion import UNKNOWN
from irc.emit.names import Names, snake
from irc.emit.node_values import sample_context
from irc.emit.samples import NOTHING
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

FLOW_TESTS = ("branches", "order", "deadline", "unhandled_failure")
"""Names of tests of the flow as a whole."""


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
        for test in (*(test for test, _, _ in CHECKS.values()), *FLOW_TESTS):
            self.names.take(f"test_{test}")
        self._write_tables()
        for index, case in enumerate(self.flow.tests):
            self._write_case(index, case)
        self._write_missing_fields()
        self._write_flow()
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

    # The flow as a whole

    def _write_flow(self) -> None:
        tests = flow_tests(self.compiled)
        if tests.left_out:
            self.body.blank(2)
        for reason in tests.left_out:
            self.body.line(f"# Not tested: {reason}.")
        if not tests.branches:
            return
        self.body.blank(2)
        self.body.line("# A request, and what nodes give in tests of the flow as a whole.")
        self.body.line("REQUEST = ", literal(tests.request))
        self.body.line("SAMPLES = {node.id: node.outputs for node in NODES}")
        if tests.outputs:
            self.body.line("SAMPLES |= ", literal(tests.outputs))
        self.body.blank()
        self.body.line("# Where the inputs of nodes come from.")
        edges = {
            node: {port: tuple(texts) for port, texts in ports.items()}
            for node, ports in tests.edges.items()
        }
        self.body.line("EDGES: dict[str, dict[str, tuple[str, ...]]] = ", literal(edges))
        self.body.blank()
        self.body.line("# What comes of the request, and of others that turn a condition.")
        self.body.line("BRANCHES = [")
        with self.body.indented():
            for branch in tests.branches:
                self.body.line("", self._branch(branch), ",")
        self.body.line("]")
        self._write_flow_test(
            "branches", "Nodes that run, what they receive, and the response.", "check_branch",
            ("EDGES", "branch"), '@pytest.mark.parametrize("branch", BRANCHES, ids=str)',
        )  # fmt: skip
        if tests.in_order:
            self._write_flow_test(
                "order", "A node starts when the last of its inputs is there.", "check_order",
                ("EDGES", "NODES"),
            )  # fmt: skip
        if tests.in_time:
            self._write_flow_test(
                "deadline", "A request ends when its time is over.", "check_deadline", ()
            )
        if tests.unhandled is not None:
            handlers = [tests.handler] if tests.handler_input is None else [
                tests.handler, tests.handler_input
            ]  # fmt: skip
            taken = [quoted(item) for item in handlers if item is not None]
            self._write_flow_test(
                "unhandled_failure",
                "A failure that no edge takes goes to the flow's handler, or else to the caller.",
                "check_unhandled", (quoted(tests.unhandled), *taken),
            )  # fmt: skip

    def _branch(self, branch: Branch) -> Code:
        self.uses("irc_runtime.testing", "BranchFacts")
        keywords: dict[str, Code] = {}
        for key in ("request", "outputs", "failed"):
            if getattr(branch, key):
                keywords[key] = literal(getattr(branch, key))
        for key in ("ran", "skipped", "received"):
            if getattr(branch, key):
                keywords[key] = literal(getattr(branch, key))
        if branch.output is NOTHING:
            keywords["reasons"] = literal(branch.reasons)
        elif branch.output is not UNKNOWN:
            keywords["output"] = literal(branch.output)
        return call("BranchFacts", quoted(branch.name), **keywords)

    def _write_flow_test(
        self, test: str, doc: str, check: str, arguments: tuple[str, ...], mark: str = ""
    ) -> None:
        self.uses("irc_runtime.testing", check)
        self.body.blank(2)
        if mark:
            self.uses_pytest = True
            self.body.line(mark)
        self._define(f"test_{test}", doc, "branch: BranchFacts" if mark else "")
        self._line("", call(check, self.agent, "REQUEST", "SAMPLES", *arguments))

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
