"""Sample inputs of a node that its own work can be done on: values at the places that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from irc.emit.places import NoValueError, Place, at_place, references_in, with_place
from irc.emit.samples import NOTHING, sample_port
from irc.ir.lowered import LoweredNode
from irc.ir.model import Context, Node, Port

INSTANT = "2024-01-01T00:00:00Z"

BUILT_IN_CONTEXT = ("user_id", "session_id", "trace_id", "auth")

ALWAYS_THERE = frozenset({"trace_id", "event_time"})
"""Context fields that a request need not bring."""


@dataclass
class NodeValues:
    """Sample values of a node.

    Attributes:
        ports: the outputs, with schemas that hold all that they refer to.
        inputs: by port.
        fields: the context of every node.
        own_fields: context fields of which the node reads more than a text.
        understood: whether these are all that the node's own work reads.
    """

    ports: list[Port]
    inputs: dict[str, Any]
    fields: Mapping[str, Any]
    own_fields: dict[str, Any] = field(default_factory=dict)
    understood: bool = False

    @property
    def scope(self) -> dict[str, Any]:
        """What references and templates see."""
        return {**self.inputs, "context": {**self.fields, **self.own_fields}}


def sample_context(context: Context) -> dict[str, Any]:
    """The request fields of tests of single nodes."""
    names = dict.fromkeys([*context.requires, *context.optional, *BUILT_IN_CONTEXT])
    fields = {name: f"sample {name}" for name in names if name != "event_time"}
    return {**fields, "event_time": INSTANT}


def operation_name(node: Node) -> str | None:
    """The operation of a declarative node that has no prompt."""
    transform = node.transform
    if node.prompt is not None or transform is None or transform.mode != "declarative":
        return None
    return str(transform.spec["op"])


def resolved(ports: list[Port], constants: Mapping[str, str], lowered: LoweredNode) -> list[Port]:
    """Ports whose schemas hold all that they refer to."""
    return [
        port.model_copy(update={"json_schema": lowered.schemas[constants[port.name]]})
        if port.name in constants else port
        for port in ports
    ]  # fmt: skip


def node_values(node: Node, lowered: LoweredNode, context: Context) -> NodeValues | None:
    """Sample values of a node; None where an input's schema is not met."""
    inputs = {}
    for port in resolved(node.inputs, lowered.input_schemas, lowered):
        inputs[port.name] = sample_port(port, f"sample {port.name}")
        if inputs[port.name] is NOTHING:
            return None
    ports = resolved(node.outputs, lowered.output_schemas, lowered)
    values = NodeValues(ports, inputs, sample_context(context))
    places = _places(node, lowered)
    if places is None:
        return values
    try:
        for place, kind in places:
            if place[0] == "context":
                _read_field(values.own_fields, place[1:], kind)
            elif place[0] in lowered.input_schemas:
                with_place(at_place(inputs, place), (), kind, "")
            else:
                root = str(place[0])
                inputs[root] = with_place(inputs[root], place[1:], kind, f"sample {root}")
    except (NoValueError, KeyError):
        return values
    values.understood = True
    return values


def _read_field(fields: dict[str, Any], place: Place, kind: str) -> None:
    """Make a context field what the node reads of it, where it is more than a text."""
    if not place or place[0] in ALWAYS_THERE:
        return
    name = str(place[0])
    if len(place) > 1 or kind not in {"any", "text"}:
        fields[name] = with_place(fields.get(name, NOTHING), place[1:], kind, f"sample {name}")


def _places(node: Node, lowered: LoweredNode) -> list[tuple[Place, str]] | None:
    """What the node's own work reads; None where that is not known."""
    if node.prompt is not None:
        if node.transform is not None or None in lowered.templates:
            return None
        return [kind for reads in lowered.templates if reads for kind in reads.kinds]
    if operation_name(node) is None:
        return None
    assert node.transform is not None
    references = references_in(node.transform.spec.get("args", {}))
    return [((item.root, *item.path), "any") for item in references if item.root != "env"]
