"""The ``run`` method: the flow's nodes in the order of their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from irc.diagnostics import Span
from irc.emit.code import Code, call, literal, mapped, quoted, strings
from irc.emit.edges import Edges
from irc.emit.names import Names
from irc.emit.writer import Writer
from irc.ir.graph import Graph, Link, NodePort, Output, RequestField
from irc.passes.analyse import Analysis
from irc.passes.guards import Guards
from irc.passes.liveness import is_error_input
from irc.passes.plan import Plan, Strand, decisive_ports


@dataclass
class FlowEmitter:
    """Writes ``run`` and ``handle_error`` of one agent."""

    graph: Graph
    analysis: Analysis
    plan: Plan
    edges: Edges
    names: Names
    writer: Writer
    imports: set[tuple[str, str]]
    methods: dict[str, str]
    tasks: dict[str, str] = field(default_factory=dict)
    read: set[str] = field(init=False)
    """The nodes whose outputs another node or the output reads."""

    def __post_init__(self) -> None:
        self.read = {name for node in (*self.analysis.order, None) for name in self._sources(node)}

    def uses(self, module: str, name: str) -> str:
        self.imports.add((module, name))
        return name

    # run

    def write_run(self) -> None:
        """Write ``run``."""
        writer = self.writer
        writer.line("async def run(self, request: Inputs, ctx: Context) -> Any:")
        with writer.indented():
            writer.line('"""Run each node as soon as its inputs are there."""')
            if self.plan.beside:
                writer.line(
                    f"async with {self.uses('irc_runtime.branches', 'Branches')}() as branches:"
                )
                with writer.indented():
                    self._write_steps()
            else:
                self._write_steps()
            self._write_output()

    def _write_steps(self) -> None:
        awaited: set[str] = set()
        for step in self.plan.steps:
            if isinstance(step, Strand):
                self._write_start(step)
            else:
                self._write_call(step, awaited)
        self._write_awaits(self._sources(None), awaited)

    def _write_awaits(
        self, names: Iterable[str], awaited: set[str], *, speculative: bool = False
    ) -> None:
        """Await the tasks of nodes.

        Args:
            awaited: those whose results are at hand.
            speculative: whether the code may be cancelled, and the tasks are to go on all the same.
        """
        for name in names:
            if name in self.tasks and name not in awaited:
                awaited.add(name)
                task = self.tasks[name]
                if speculative and name not in self.plan.speculative:
                    task = f"{self.uses('asyncio', 'shield')}({task})"
                self.writer.line(f"{self.edges.variables[name]} = await {task}")

    def _sources(self, node: str | None) -> list[str]:
        if node is not None:
            return self.graph.predecessors(node)
        links = [link for target in self.graph.outputs() for link in self.graph.into(target)]
        return list(
            dict.fromkeys(
                link.source.node for link in self._alive(links) if isinstance(link.source, NodePort)
            )
        )

    def _alive(self, links: list[Link]) -> list[Link]:
        """The links whose source runs."""
        live = self.analysis.guards.nodes
        return [x for x in links if isinstance(x.source, RequestField) or x.source.node in live]

    def _write_start(self, strand: Strand) -> None:
        """Start a strand beside this one."""
        target = ""
        if strand.tail in self.read:
            self.tasks[strand.tail] = self.names.take(f"{strand.tail}_task", "beside")
            target = f"{self.tasks[strand.tail]} = "
        speculative = strand.tail in self.plan.speculative
        start_by = "branches.speculate" if speculative else "branches.start"
        waits = [name for name in strand.waits_for if name in self.tasks]
        single = len(strand.nodes) == 1 and not waits
        inputs, required = self._inputs(strand.tail)
        with self.writer.origin(strand.nodes[0], self._span(strand.nodes[0])):
            if single and not required:
                method = self.methods[strand.tail]
                start = call(start_by, call(f"self.{method}", inputs, "ctx"))
                self.writer.line(target, start)
                return
        function = self.names.take(f"{strand.tail}_branch", "beside")
        self.writer.blank()
        self.writer.line(f"async def {function}() -> {self.uses('irc_runtime.node', 'Outputs')}:")
        with self.writer.indented():
            awaited: set[str] = set()
            for node in strand.nodes:
                self._write_call(node, awaited, speculative=speculative)
            self.writer.line(f"return {self.edges.variables[strand.tail]}")
        self.writer.blank()
        self.writer.line(f"{target}{start_by}({function}())")

    def _write_call(self, node: str, awaited: set[str], *, speculative: bool = False) -> None:
        """Await a node, or skip it where a required input was not delivered.

        What decides whether it runs comes first: what else it would read is then not waited for.
        """
        inputs, required = self._inputs(node)
        variable, method = self.edges.variables[node], self.methods[node]
        writer = self.writer
        if not required:
            self._write_awaits(self._sources(node), awaited, speculative=speculative)
            with writer.origin(node, self._span(node)):
                writer.line(f"{variable} = await ", call(f"self.{method}", inputs, "ctx"))
            return
        self.uses("irc_runtime.node", "Outputs")
        skipped = self.uses("irc_runtime.node", "SKIPPED")
        delivered = self.uses("irc_runtime.delivery", "delivered")
        locals_: dict[str, str] = {}
        with ExitStack() as blocks:
            for ports in self._decisions(node, required, awaited):
                sources = [name for port in ports for name in self._port_sources(node, port)]
                self._write_awaits(sources, awaited, speculative=speculative)
                blocks.enter_context(writer.origin(node, self._span(node)))
                if not locals_:
                    writer.line(f"{variable}: Outputs = {skipped}")
                for port in ports:
                    locals_[port] = self.names.take(f"{node}_{port}", "input")
                    writer.line(f"{locals_[port]} = ", required[port])
                names = [locals_[port] for port in ports]
                writer.line("if ", call(delivered, *names), ":")
                blocks.enter_context(writer.indented())
                awaited = {*awaited}  # what is awaited below is not at hand after the block
            self._write_awaits(self._sources(node), awaited, speculative=speculative)
            given, _ = self._inputs(node, locals_)
            writer.line(f"{variable} = await ", call(f"self.{method}", given, "ctx"))
        dropped = [name for name in self.plan.droppable.get(node, ()) if name in self.tasks]
        if dropped:
            writer.line(f"if {variable} is {skipped}:")
            with writer.indented():
                for name in dropped:
                    writer.line(f"branches.drop({self.tasks[name]})")

    def _decisions(
        self, node: str, required: Iterable[str], awaited: set[str]
    ) -> Iterator[list[str]]:
        """The inputs that may be absent, those together that wait for nothing else."""
        order = decisive_ports(self.graph, self.analysis, node)
        order += [port for port in required if port not in order]  # those that no edge feeds
        known = {*awaited}
        group: list[str] = []
        for port in order:
            tasks = {name for name in self._port_sources(node, port) if name in self.tasks}
            if group and not tasks <= known:
                yield group
                group = []
            known |= tasks
            group.append(port)
        yield group

    def _port_sources(self, node: str, port: str) -> list[str]:
        links = self._alive(self.graph.into(NodePort(node, port)))
        return [link.source.node for link in links if isinstance(link.source, NodePort)]

    def _inputs(
        self,
        node: str,
        given: dict[str, str] | None = None,
        links_of: Callable[[str], list[Link]] | None = None,
    ) -> tuple[Code, dict[str, Code]]:
        """A node's inputs as a dict, and the required ones that may not be delivered.

        Args:
            given: the code of inputs that are at hand.
        """
        items: dict[str, Code] = {}
        uncertain: dict[str, Code] = {}
        droppable = False
        for port in self.graph.flow.nodes[node].inputs:
            if given is not None and port.name in given:
                items[port.name] = given[port.name]
                continue
            links = (
                links_of(port.name)
                if links_of is not None
                else self._alive(self.graph.into(NodePort(node, port.name)))
            )
            if not links:
                if port.default is not None:
                    items[port.name] = literal(port.default)
                elif not port.optional:
                    uncertain[port.name] = self.edges.uses("ABSENT")
                continue
            value, certain = self.edges.merged(links, port)
            items[port.name] = value
            if certain:
                continue
            if port.optional:
                droppable = True
            else:
                uncertain[port.name] = value
        inputs: Code = mapped(items)
        if droppable:
            inputs = call(self.uses("irc_runtime.delivery", "present"), inputs)
        return inputs, uncertain

    def _write_output(self) -> None:
        """Return what was delivered to the output."""
        targets = [t for t in self.graph.outputs() if self._alive(self.graph.into(t))]
        self._return_output([(target, self._alive(self.graph.into(target))) for target in targets])

    def _return_output(self, targets: list[tuple[Output, list[Link]]]) -> None:
        values = {target.name: self.edges.merged(links) for target, links in targets}
        all_links = [link for _, links in targets for link in links]
        if None in values:
            code, certain = values[None]
        else:
            certain = any(sure for _, sure in values.values())
            code = mapped((name, value) for name, (value, _) in values.items() if name)
            if not all(sure for _, sure in values.values()):
                code = call(self.uses("irc_runtime.delivery", "present"), code)
        if not certain:
            reasons = strings(self._reasons(all_links))
            name = "output" if None in values else "named_output"
            code = call(self.uses("irc_runtime.delivery", name), code, reasons=reasons)
        with self.writer.origin(None, self.edges.span(all_links[0])):
            self.writer.line("return ", code)

    def _reasons(self, links: list[Link]) -> list[str]:
        """The conditions on the way to some links, for the error when nothing arrives."""
        seen: dict[int, Link] = {}
        wanted = list(links)
        while wanted:
            link = wanted.pop()
            if link.index in seen:
                continue
            seen[link.index] = link
            if isinstance(link.source, NodePort):
                wanted += self.graph.into_node(link.source.node)
        conditional = [link for _, link in sorted(seen.items()) if link.edge.condition is not None]
        return [self.edges.where(link) for link in conditional]

    def _span(self, node: str) -> Span:
        return self.edges.document.key_span(("nodes", node))

    # handle_error

    def write_handler(self) -> None:
        """Write ``handle_error``: the route of the flow's global error handler."""
        handler = self.graph.flow.on_error
        assert handler is not None
        route = self.analysis.handler
        writer = self.writer
        outputs = self.uses("irc_runtime.node", "Outputs")
        with writer.origin(None, self.edges.document.span(("on_error",))):
            writer.line(
                f"async def handle_error(self, error: {outputs}, request: Inputs, ctx: Context)"
                " -> Any:"
            )
        guards = self.edges.guards
        self.edges.guards = Guards(self.graph, dict.fromkeys(route, 0))
        with writer.indented():
            writer.line('"""Answer in the flow\'s place when it fails."""')
            for node in route:
                self._write_handler_call(handler, node)
            self._return_handled(handler, route)
        self.edges.guards = guards

    def _write_handler_call(self, handler: str, node: str) -> None:
        reached = set(self.analysis.handler)

        def links_of(port: str) -> list[Link]:
            links = self.graph.into(NodePort(node, port))
            return [
                link for link in links
                if isinstance(link.source, RequestField) or link.source.node in reached
            ]  # fmt: skip

        given = {
            port.name: "error"
            for port in self.graph.flow.nodes[node].inputs
            if node == handler and is_error_input(self.graph, node, port.name)
        }
        inputs, uncertain = self._inputs(node, given, links_of)
        variable = self.edges.variables[node]
        method = self.methods[node]
        with self.writer.origin(node, self._span(node)):
            if not uncertain:
                self.writer.line(f"{variable} = await ", call(f"self.{method}", inputs, "ctx"))
                return
            self.writer.line(f"{variable}: Outputs = {self.uses('irc_runtime.node', 'SKIPPED')}")
            delivered = self.uses("irc_runtime.delivery", "delivered")
            self.writer.line("if ", call(delivered, *uncertain.values()), ":")
            with self.writer.indented():
                self.writer.line(f"{variable} = await ", call(f"self.{method}", inputs, "ctx"))

    def _return_handled(self, handler: str, route: list[str]) -> None:
        targets = []
        for target in self.graph.outputs():
            links = [
                link for link in self.graph.into(target)
                if isinstance(link.source, NodePort) and link.source.node in route
            ]  # fmt: skip
            if links:
                targets.append((target, links))
        if targets:
            self._return_output(targets)
            return
        ports = self.graph.flow.nodes[handler].outputs
        variable = self.edges.variables[handler]
        if len(ports) == 1:
            self.writer.line(f"return {variable}[{quoted(ports[0].name)}]")
        else:
            self.writer.line(f"return dict({variable})")
