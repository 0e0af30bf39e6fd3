"""Tests of a whole flow: what travels along its edges, which branches are taken, and when.

Every node gives its sample outputs. Where an edge has a condition or changes its value, the samples
are replaced by values for which that can be told, and each condition gets a request in which it comes
out the other way.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from irc.emit.agent import Compiled
from irc.emit.inversion import UNKNOWN, candidates
from irc.emit.node_values import INSTANT, sample_context
from irc.emit.rehearsal import NOT_DELIVERED, Rehearsal, Stage, UndecidedError
from irc.emit.samples import NOTHING, fits_schema, is_kind, sample_port, sample_schema
from irc.ir.graph import Link, NodePort, RequestField, input_port, output_port
from irc.ir.model import Port
from irc.passes.liveness import is_error_input, reached_from

MAX_BRANCHES = 200
"""Requests that are made up for one flow."""

MAX_STEPS = 1_000
"""Nodes that are looked at for all of them, beside those of the first."""

MAX_NAMES = 10
"""Nodes that are named where they differ from the first request."""


@dataclass
class BranchFacts:
    """A request, and what comes of it.

    Attributes:
        name: what is different in it.
        request, outputs: values other than the samples.
        failed: a node that fails.
        ran, skipped: nodes, all of them in the first request and then those that differ from it.
        received: by node that is in ``ran``, inputs whose values change on the way.
        output: the response; UNKNOWN where it cannot be told, NOTHING where there is none.
        reasons: what the error says where nothing is delivered.
    """

    name: str
    request: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: str | None = None
    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    received: dict[str, dict[str, Any]] = field(default_factory=dict)
    output: Any = UNKNOWN
    reasons: list[str] = field(default_factory=list)


@dataclass
class FlowTests:
    """What is tested of a flow.

    Attributes:
        left_out: why nothing is, or what is not.
        request: the sample request.
        outputs: sample outputs other than those of the table of nodes.
        edges: by node and input, where values come from, as text.
        branches: the sample request first.
        in_order: whether the order of nodes is tested.
        in_time: whether the request's deadline is tested.
        unhandled: a node whose failure nothing in the flow takes, None without one.
        handler: the node that takes it then.
        handler_input: the input at which it does, where it has one for that.
    """

    left_out: list[str] = field(default_factory=list)
    request: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    branches: list[BranchFacts] = field(default_factory=list)
    in_order: bool = False
    in_time: bool = False
    unhandled: str | None = None
    handler: str | None = None
    handler_input: str | None = None


def flow_tests(compiled: Compiled) -> FlowTests:
    """The tests of a flow as a whole."""
    return _FlowTests(compiled).tests()


class _FlowTests:
    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.graph, self.flow = compiled.graph, compiled.graph.flow
        self.stage = Stage(compiled.graph, compiled.analysis, compiled.edges)
        self.result = FlowTests()
        self.others: list[tuple[Link, bool, Any]] = []

    def tests(self) -> FlowTests:
        result = self.result
        samples = {name: unit.tests.outputs for name, unit in self.compiled.units.items()}
        lacking = [name for name, outputs in samples.items() if outputs is None]
        if lacking:
            result.left_out.append(f"the flow as a whole: '{lacking[0]}' has no sample outputs")
            return result
        outputs = {name: dict(values or {}) for name, values in samples.items()}
        result.request = sample_context(self.flow.context)
        try:
            self._choose(outputs)
            base = self.stage.first(result.request, outputs)
        except UndecidedError:
            result.left_out.append("the flow as a whole: no values were found for all of its edges")
            return result
        result.outputs = {
            name: values for name, values in outputs.items() if values != samples[name]
        }
        result.edges = {name: self._edges(name) for name in self.stage.order}
        result.edges = {name: ports for name, ports in result.edges.items() if ports}
        self._branches(base)
        self._timing()
        self._failures(base)
        return result

    # Values for which the edges can be told

    def _choose(self, outputs: dict[str, dict[str, Any]]) -> None:
        """Replace samples so that every edge can be told, and keep what turns a condition.

        Raises:
            UndecidedError: there are no such values.
        """
        for field_name, links in self.stage.from_request.items():
            sample = self._field_sample(field_name, links)
            self.result.request[field_name] = self._chosen(
                links, None, sample, f"sample {field_name}"
            )
        for name in self.stage.order:
            by_port: dict[str, list[Link]] = {}
            for link in self.stage.out.get(name, []):
                assert isinstance(link.source, NodePort)
                by_port.setdefault(link.source.port, []).append(link)
            for port_name, links in by_port.items():
                if port_name not in outputs[name]:
                    continue
                port = self._resolved(name, port_name)
                value = self._chosen(links, port, outputs[name][port_name], f"{name}.{port_name}")
                outputs[name][port_name] = value

    def _resolved(self, name: str, port_name: str) -> Port | None:
        port = output_port(self.flow.nodes[name], port_name)
        schema = self.compiled.units[name].tests.output_schemas.get(port_name)
        if port is None or port.json_schema is None:
            return port
        return port.model_copy(update={"json_schema": schema})

    def _input_schema(self, link: Link) -> Any:
        if isinstance(link.target, NodePort) and link.target.node in self.compiled.units:
            tests = self.compiled.units[link.target.node].tests
            return tests.input_schemas.get(link.target.port)
        return None

    def _field_sample(self, name: str, links: list[Link]) -> Any:
        """A value of a request field that fits the inputs that it enters as it is."""
        if name == "event_time":
            return INSTANT
        for link in links:
            if isinstance(link.target, NodePort) and link.edge.transform is None:
                port = input_port(self.flow.nodes[link.target.node], link.target.port)
                assert port is not None
                port = port.model_copy(update={"json_schema": self._input_schema(link)})
                value = sample_port(port, f"sample {name}")
                return f"sample {name}" if value is NOTHING else value
        return f"sample {name}"

    def _chosen(self, links: list[Link], port: Port | None, sample: Any, label: str) -> Any:
        """A value for which every link can be told; others that turn a condition are kept.

        Raises:
            UndecidedError: there is none.
        """
        codes = [self.compiled.edges[x.index] for x in links if x.index in self.compiled.edges]
        if not codes and (port is None or port.json_schema is None) and not any(
            link.cast or self._input_schema(link) is not None for link in links
        ):
            return sample  # which every link hands on as it is
        conditions = [code.condition.tree for code in codes if code.condition is not None]
        transforms = [code.transform.tree for code in codes if code.transform is not None]
        values = candidates(conditions, transforms, sample, label)
        if not codes:
            values = itertools.chain(values, self._fitting_all(links, port, label))
        told: list[tuple[Any, dict[int, bool]]] = []
        for value in values:
            came_out = self._came_out(links, value) if port is None or _fits(port, value) else None
            if came_out is not None:
                told.append((value, came_out))
                if not conditions:
                    break
        if not told:
            raise UndecidedError
        # The more edges deliver, the more of the flow is seen.
        chosen, first = max(told, key=lambda item: sum(item[1].values()))
        for link in links:
            turned = (v for v, came_out in told if came_out[link.index] != first[link.index])
            other = next(turned, NOTHING)
            if other is not NOTHING:
                self.others.append((link, not first[link.index], other))
        return chosen

    def _fitting_all(self, links: list[Link], port: Port | None, label: str) -> Iterator[Any]:
        """A value that fits a port and all inputs that it enters."""
        if port is not None:
            schemas = [port.json_schema, *(self._input_schema(link) for link in links)]
            yield sample_schema({"allOf": [x for x in schemas if x is not None]}, label)

    def _came_out(self, links: list[Link], value: Any) -> dict[int, bool] | None:
        """Which of the links deliver the value; None where one fails or does not fit."""
        came_out = {}
        for link in links:
            try:
                travelled = self.stage.travelled(link, value, self.result.request)
            except UndecidedError:
                return None
            came_out[link.index] = travelled is not NOT_DELIVERED
            if came_out[link.index] and not fits_schema(self._input_schema(link), travelled):
                return None
        return came_out

    # Requests

    def _branches(self, base: Rehearsal) -> None:
        first = BranchFacts("samples")
        first.ran = [name for name in self.stage.order if name in base.ran]
        first.skipped = [name for name in self.compiled.units if name not in base.ran]
        self._say_what_comes(first, base)
        self.result.branches.append(first)
        for link, holds, value in self.others:
            source = link.source
            branch = BranchFacts(
                f"{source_text(link)} {'if' if holds else 'unless'} {link.edge.condition}"
            )
            if isinstance(source, RequestField):
                branch.request = {source.name: value}
                self._add(branch, base, request=branch.request)
            elif source.node in base.ran:
                branch.outputs = {source.node: {**base.outputs[source.node], source.port: value}}
                self._add(branch, base, outputs=branch.outputs)
        for name in self.stage.order:
            if name in base.ran and self.graph.has_error_route(name) and not self._falls_back(name):
                self._add(BranchFacts(f"{name} fails", failed=name), base, failed=name)

    def _falls_back(self, name: str) -> bool:
        prompt = self.flow.nodes[name].prompt
        error = self.flow.nodes[name].error
        has_schema = error is not None and error.json_schema is not None
        return (prompt is not None and prompt.fallback is not None) or has_schema

    def _add(self, branch: BranchFacts, base: Rehearsal, **changes: Any) -> None:
        others = self.result.branches
        same = any((x.request, x.outputs, x.failed) == (branch.request, branch.outputs, branch.failed)
                   for x in others)  # fmt: skip
        if same:
            return
        if len(others) >= MAX_BRANCHES or self.stage.steps > MAX_STEPS:
            reason = "every condition: the flow has too many"
            self.result.left_out = [reason]
            return
        try:
            play = self.stage.again(base, **changes)
            if not self._inputs_fit(play):
                return
        except UndecidedError:
            return
        branch.ran = self._named(play.ran - base.ran)
        branch.skipped = self._named(base.ran - play.ran)
        self._say_what_comes(branch, play)
        self.result.branches.append(branch)

    def _named(self, nodes: set[str]) -> list[str]:
        """The first of some nodes, in order."""
        return sorted(nodes, key=self.stage.place.__getitem__)[:MAX_NAMES]

    def _inputs_fit(self, play: Rehearsal) -> bool:
        """Whether a failure that enters inputs fits their schemas."""
        return all(
            fits_schema(self._input_schema(link), play.delivered[link.index])
            for name in play.failed
            for link in self.stage.out.get(name, [])
            if link.index in play.delivered
        )

    def _say_what_comes(self, branch: BranchFacts, play: Rehearsal) -> None:
        for name in branch.ran:
            for port, value in self._changed(name, play):
                branch.received.setdefault(name, {})[port] = value
        delivered = self.stage.output(play)
        if not delivered:
            branch.output = NOTHING
            branch.reasons = self._reasons()
        else:
            branch.output = delivered.get(None, delivered)

    def _changed(self, name: str, play: Rehearsal) -> Iterable[tuple[str, Any]]:
        """Inputs of a node whose values are cast or transformed on the way."""
        for port in self.flow.nodes[name].inputs:
            links = self.graph.into(NodePort(name, port.name))
            arriving = [link for link in links if link.index in play.delivered]
            if len(arriving) == 1 and (arriving[0].cast or arriving[0].edge.transform is not None):
                yield port.name, play.delivered[arriving[0].index]

    def _reasons(self) -> list[str]:
        """The conditions on the way to the output."""
        document = self.compiled.document
        wanted = [x for target in self.graph.outputs() for x in self.graph.into(target)]
        seen: dict[int, Link] = {}
        while wanted:
            link = wanted.pop()
            if link.index not in seen and self._is_live(link):
                seen[link.index] = link
                if isinstance(link.source, NodePort):
                    wanted += self.graph.into_node(link.source.node)
        return [
            f"{document.source.name}:{document.span(('edges', index)).line}: {link.edge.condition}"
            for index, link in sorted(seen.items()) if link.edge.condition is not None
        ]  # fmt: skip

    # Edges, times, failures

    def _edges(self, name: str) -> dict[str, list[str]]:
        """Where a node's inputs come from, as text."""
        found: dict[str, list[str]] = {}
        for port in self.flow.nodes[name].inputs:
            links = [x for x in self.graph.into(NodePort(name, port.name)) if self._is_live(x)]
            if links:
                found[port.name] = [edge_text(link) for link in links]
            if links and port.default is not None:
                found[port.name].append("default")
        return found

    def _is_live(self, link: Link) -> bool:
        return isinstance(link.source, RequestField) or link.source.node in self.stage.place

    def _timing(self) -> None:
        nodes = [self.flow.nodes[name] for name in self.stage.order]
        keys = [node.state.key for node in nodes if node.state is not None and node.state.key]
        # Nodes that hold one key wait for each other.
        own_keys = len(keys) == len(set(keys))
        self.result.in_order = own_keys and all(node.runtime.timeout_ms > 2 for node in nodes)
        # Another model is asked when the time is over, and has no answer here.
        fallbacks = [node.prompt.fallback for node in nodes if node.prompt is not None]
        self.result.in_time = not any(item is not None and item.model for item in fallbacks)

    def _failures(self, base: Rehearsal) -> None:
        handler = self.flow.on_error
        # What answers for a failure may run before it as well, and must not be what fails.
        answering = set() if handler is None else reached_from(self.graph, handler)
        for name in (name for name in self.stage.order if name not in answering):
            prompt = self.flow.nodes[name].prompt
            falls_back = prompt is not None and prompt.fallback is not None
            if name in base.ran and not self.graph.has_error_route(name) and not falls_back:
                self.result.unhandled, self.result.handler = name, handler
                ports = [] if handler is None else self.flow.nodes[handler].inputs
                taking = [p.name for p in ports if is_error_input(self.graph, str(handler), p.name)]
                self.result.handler_input = taking[0] if taking else None
                return


def source_text(link: Link) -> str:
    """Where a link comes from: ``request.<field>`` or ``node.port``."""
    source = link.source
    return f"request.{source.name}" if isinstance(source, RequestField) else str(source)


def edge_text(link: Link) -> str:
    """A link as the test file says it: source, how the value changes, and when."""
    text = source_text(link)
    if link.edge.transform is not None:
        text += f" -> {' '.join(link.edge.transform.split())}"
    elif link.cast is not None:
        text += f" -> {link.cast}"
    if link.edge.condition is not None:
        text += f" if {link.edge.condition}"
    return text


def _fits(port: Port, value: Any) -> bool:
    """Whether a value is of a port's type and fits its schema."""
    return is_kind(value, port.type) and fits_schema(port.json_schema, value)
