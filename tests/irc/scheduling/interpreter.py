"""The language's meaning, one node after the other: what agents are compared with.

It knows nothing of time. A node whose failure no edge takes *poisons* those that read it; a node that
lacks a required input is skipped, whatever else it reads. A request fails where what it is for, its
output or an effect, is poisoned.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.irc.scheduling.behaviour import Behaviour, Failure

Flow = Mapping[str, Any]


@dataclass
class Meaning:
    """What has to come of a request.

    Attributes:
        output: the response; None where the request fails.
        failures: of those that may end the request one does.
        no_output: the request fails since nothing was delivered.
        needed: nodes that run if the request succeeds.
        possible: nodes whose inputs are there: none but these may run.
        either: a failure and an absent input meet at one node, so that the one that is looked at
            first decides between failing and skipping.
    """

    output: dict[str, Any] | None = None
    failures: set[Failure] = field(default_factory=set)
    no_output: bool = False
    needed: set[str] = field(default_factory=set)
    possible: set[str] = field(default_factory=set)
    either: bool = False


def meaning(flow: Flow, behaviours: Mapping[str, Behaviour], request: Mapping[str, Any]) -> Meaning:
    """Interpret one request; nodes stand in an order in which each reads those before it."""
    return _Interpreter(flow, behaviours, request).run()


class _Interpreter:
    def __init__(
        self, flow: Flow, behaviours: Mapping[str, Behaviour], request: Mapping[str, Any]
    ) -> None:
        self.flow = flow
        self.behaviours = behaviours
        self.request = request
        self.results: dict[str, Mapping[str, Any]] = {}
        self.poison: dict[str, set[Failure]] = {}
        self.told = Meaning()

    def run(self) -> Meaning:
        live = self._live()
        for name, node in self.flow["nodes"].items():
            if name in live:
                self._run_node(name, node)
        named = {
            edge["to"].partition(".")[2]: None
            for edge in self.flow["edges"]
            if edge["to"].startswith("_output")
        }
        for name in named:
            self.told.failures |= self._poison_at(f"_output.{name}")
        for name in live:
            if self._has_effect(name):
                self.told.failures |= self.poison[name]
        if self.told.failures:
            return self.told
        output = {name: self._delivered(f"_output.{name}") for name in named}
        self.told.output = {name: value for name, value in output.items() if value is not None}
        if not self.told.output:
            self.told.output, self.told.no_output = None, True
        for name in [*self.told.possible]:
            if self._has_effect(name):
                self._need(name)
        for edge in self._edges_into(*(f"_output.{name}" for name in named)):
            self._need(edge["from"].partition(".")[0])
        return self.told

    def _run_node(self, name: str, node: Mapping[str, Any]) -> None:
        inputs: dict[str, Any] = {}
        poison: set[Failure] = set()
        lacks = False
        for port in node["inputs"]:
            place = f"{name}.{port['name']}"
            poison |= self._poison_at(place)
            value = self._delivered(place)
            if value is None:
                value = port.get("default")
            if value is not None:
                inputs[port["name"]] = value
            elif not port.get("optional") and not self._poison_at(place):
                lacks = True
        self.results[name], self.poison[name] = {}, set()
        if lacks:
            self.told.either |= bool(poison)
            return
        if poison:
            self.poison[name] = poison
            return
        self.told.possible.add(name)
        try:
            self.results[name] = self.behaviours[name].result(inputs)
        except Failure as failure:
            if any(edge["from"] == f"{name}.error" for edge in self.flow["edges"]):
                self.results[name] = {"error": failure.as_port()}
            else:
                self.poison[name] = {failure}

    def _delivered(self, place: str) -> Any:
        """What reaches an input or an output, of several edges by the first that delivers."""
        for edge in self._edges_into(place):
            node, _, port = edge["from"].partition(".")
            value = self.request.get(port) if node == "_input" else self.results[node].get(port)
            if value is not None and _holds(edge.get("condition"), value):
                return value
        return None

    def _poison_at(self, place: str) -> set[Failure]:
        sources = (edge["from"].partition(".")[0] for edge in self._edges_into(place))
        return set().union(*(self.poison.get(source, set()) for source in sources))

    def _edges_into(self, *places: str) -> list[Mapping[str, str]]:
        return [edge for edge in self.flow["edges"] if edge["to"] in places]

    def _need(self, name: str) -> None:
        """Note that a node and what it reads are needed, where it runs."""
        if name in self.told.possible and name not in self.told.needed:
            self.told.needed.add(name)
            for edge in self.flow["edges"]:
                if edge["to"].startswith(f"{name}."):
                    self._need(edge["from"].partition(".")[0])

    def _live(self) -> set[str]:
        """The nodes from which the output or an effect is reached."""
        live: set[str] = set()
        for name in reversed([*self.flow["nodes"]]):
            targets = {
                edge["to"].partition(".")[0]
                for edge in self.flow["edges"]
                if edge["from"].partition(".")[0] == name
            }
            if self._has_effect(name) or targets & (live | {"_output"}):
                live.add(name)
        return live

    def _has_effect(self, name: str) -> bool:
        return "state" in self.flow["nodes"][name]


CONDITIONS: Mapping[str, Callable[[Any], bool]] = {
    "value.n % 2 == 0": lambda value: value["n"] % 2 == 0,
    "value.n % 2 == 1": lambda value: value["n"] % 2 == 1,
    "value.n > 2": lambda value: value["n"] > 2,
    "value.n <= 2": lambda value: value["n"] <= 2,
}
"""The conditions of random flows, as text and as what it means."""


def _holds(condition: str | None, value: Any) -> bool:
    return condition is None or CONDITIONS[condition](value)
