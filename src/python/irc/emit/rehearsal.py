"""A flow rehearsed at compile time: which nodes run and what is delivered, when each gives its sample.

Nodes give the same outputs whatever they receive, so what an edge does follows from its source alone,
and a change travels on only where a node runs or is skipped because of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from irc.emit.edges import EdgeCode
from irc.emit.inversion import UNKNOWN, evaluate
from irc.ir.graph import Graph, Link, NodePort, Output, RequestField
from irc.passes.analyse import Analysis


class UndecidedError(Exception):
    """What an edge does cannot be told."""


@dataclass
class Rehearsal:
    """What happens in one request.

    Attributes:
        outputs: by node that runs, what it gives, a failure at its error port included.
        delivered: by index of a link that delivers, the value, or UNKNOWN.
        ran: the nodes that run.
        failed: nodes that fail.
    """

    outputs: Mapping[str, Mapping[str, Any]]
    request: Mapping[str, Any]
    failed: frozenset[str] = frozenset()
    delivered: dict[int, Any] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)


class Stage:
    """What rehearsals of one flow share."""

    def __init__(self, graph: Graph, analysis: Analysis, codes: Mapping[int, EdgeCode]) -> None:
        self.graph, self.codes = graph, codes
        self.place = {name: index for index, name in enumerate(analysis.order)}
        self.order = analysis.order
        self.steps = 0
        self.out: dict[str, list[Link]] = {}
        self.from_request: dict[str, list[Link]] = {}
        for link in graph.links:
            if isinstance(link.source, NodePort):
                self.out.setdefault(link.source.node, []).append(link)
            else:
                self.from_request.setdefault(link.source.name, []).append(link)

    def first(
        self, request: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]
    ) -> Rehearsal:
        """Rehearse the whole flow.

        Raises:
            UndecidedError: what an edge does cannot be told.
        """
        play = Rehearsal(outputs, request)
        for links in self.from_request.values():
            for link in links:
                self._deliver(play, link)
        for name in self.order:
            if self._can_run(play, name):
                play.ran.add(name)
                for link in self.out.get(name, ()):
                    self._deliver(play, link)
        return play

    def again(
        self,
        base: Rehearsal,
        request: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        failed: str | None = None,
    ) -> Rehearsal:
        """Rehearse once more with other values of some nodes and fields.

        Raises:
            UndecidedError: as for ``first``.
        """
        changed = outputs or {}
        play = Rehearsal(
            {**base.outputs, **changed},
            base.request if request is None else {**base.request, **request},
            base.failed | ({failed} if failed else set()),
            dict(base.delivered),
            set(base.ran),
        )
        waiting: list[int] = []
        for name in request or {}:
            self._redeliver(play, self.from_request.get(name, []), waiting)
        for name in [*changed, *([failed] if failed else [])]:
            if name in play.ran:
                self._redeliver(play, self.out.get(name, []), waiting)
        while waiting:
            self.steps += 1
            name = self.order[heapq.heappop(waiting)]
            runs = self._can_run(play, name)
            if runs != (name in play.ran):
                (play.ran.add if runs else play.ran.discard)(name)
                self._redeliver(play, self.out.get(name, []), waiting)
        return play

    def _redeliver(self, play: Rehearsal, links: list[Link], waiting: list[int]) -> None:
        for link in links:
            before = link.index in play.delivered
            play.delivered.pop(link.index, None)
            self._deliver(play, link)
            target = link.target
            if isinstance(target, NodePort) and before != (link.index in play.delivered):
                at = self.place.get(target.node)
                if at is not None and at not in waiting:
                    heapq.heappush(waiting, at)

    def _deliver(self, play: Rehearsal, link: Link) -> None:
        """Note what a link delivers, if it does."""
        source = link.source
        if isinstance(source, RequestField):
            values, name = play.request, source.name
        else:
            if source.node not in play.ran:
                return
            values, name = play.outputs[source.node], source.port
            if source.node in play.failed:
                values = self.failure(source.node)
        if name not in values:
            return
        value = self.travelled(link, values[name], play.request)
        if value is not NOT_DELIVERED:
            play.delivered[link.index] = value

    def travelled(self, link: Link, value: Any, request: Mapping[str, Any]) -> Any:
        """The value at a link's end; NOT_DELIVERED where its condition does not hold.

        Raises:
            UndecidedError: its condition cannot be told, or it fails.
        """
        code = self.codes.get(link.index)
        if code is not None and code.condition is not None:
            holds = evaluate(code.condition, value, request)
            if holds is UNKNOWN:
                raise UndecidedError
            if not holds:
                return NOT_DELIVERED
        if code is not None and code.transform is not None:
            value = evaluate(code.transform, value, request)
            if value is UNKNOWN:
                raise UndecidedError
        elif link.cast == "single_row":
            if not isinstance(value, list) or len(value) != 1:
                raise UndecidedError
            return value[0]
        elif link.cast == "to_string" and not isinstance(value, str):
            return str(value).lower() if isinstance(value, bool) else str(value)
        return value

    def failure(self, name: str) -> Mapping[str, Any]:
        """What the error port of a node delivers that cannot be reached."""
        node = self.graph.flow.nodes[name]
        if node.error is None:
            return {}
        value: Any = {
            "reason": "unreachable", "type": "error", "node": name,
            "attempts": node.runtime.retries, "fallback_available": False,
        }  # fmt: skip
        if node.error.type in {"string", "document"}:
            value = "unreachable"
        elif node.error.type != "object":
            value = [value]
        return {node.error.name: value}

    def _can_run(self, play: Rehearsal, name: str) -> bool:
        for port in self.graph.flow.nodes[name].inputs:
            if port.optional or port.default is not None:
                continue
            links = self.graph.into(NodePort(name, port.name))
            if not any(link.index in play.delivered for link in links):
                return False
        return True

    def output(self, play: Rehearsal) -> dict[str | None, Any]:
        """What is delivered to the output, by name."""
        found: dict[str | None, Any] = {}
        for target in self.graph.outputs():
            assert isinstance(target, Output)
            links = self.graph.into(target)
            values = [play.delivered[x.index] for x in links if x.index in play.delivered]
            if values:
                found[target.name] = values[0]
        return found


NOT_DELIVERED: Any = object()
"""Stands for what a link does not deliver."""
