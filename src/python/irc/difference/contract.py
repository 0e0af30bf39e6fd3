"""What callers of an agent see of a change: its address, its request, its response."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from irc.difference.values import same
from irc.emit.names import dns_label
from irc.ir.model import Edge, Flow, Port


class Impact(StrEnum):
    """What a change does to callers, from the worst to the best."""

    BREAKING = "breaking"
    UNCLEAR = "unclear"
    COMPATIBLE = "compatible"


@dataclass(frozen=True)
class ContractChange:
    """One change that callers may see; ``text`` says it in a sentence without a full stop."""

    impact: Impact
    text: str


def contract_changes(before: Flow, after: Flow) -> list[ContractChange]:
    """Compare what callers see. Schemas are only known to differ: whether that breaks is unclear."""
    return [*_address(before, after), *_request(before, after), *_response(before, after)]


def _address(before: Flow, after: Flow) -> list[ContractChange]:
    parts = zip(_parts(before), _parts(after), strict=True)
    return [
        ContractChange(Impact.BREAKING, f"the {part} is {_quoted(new)}, not {_quoted(old)}")
        for (part, old), (_, new) in parts
        if old != new
    ]


def _parts(flow: Flow) -> list[tuple[str, str | None]]:
    """What the address of an agent is made of."""
    kserve = flow.deployment.kserve
    return [
        ("model", flow.metadata.name),
        ("target", flow.deployment.target),
        ("service", kserve.service_name or dns_label(flow.metadata.name)),
        ("namespace", kserve.namespace),
    ]


def _quoted(value: object) -> str:
    return "the default" if value is None else f"'{value}'"


def _request(before: Flow, after: Flow) -> list[ContractChange]:
    changes = []
    required = before.context.requires, after.context.requires
    known = [{*flow.context.requires, *flow.context.optional} for flow in (before, after)]
    for name in after.context.requires:
        if name not in required[0]:
            what = "now required" if name in known[0] else "new and required"
            changes.append(ContractChange(Impact.BREAKING, f"the request's '{name}' is {what}"))
    for name in after.context.optional:
        if name in required[0]:
            changes.append(
                ContractChange(Impact.COMPATIBLE, f"the request's '{name}' is now optional")
            )
        elif name not in known[0]:
            changes.append(
                ContractChange(Impact.COMPATIBLE, f"the request's '{name}' is new and optional")
            )
    for name in sorted(known[0] - known[1]):
        changes.append(
            ContractChange(Impact.COMPATIBLE, f"the request's '{name}' is not asked for any more")
        )
    for name in sorted(known[0] & known[1]):
        if not same(_readers(before, name), _readers(after, name)):
            changes.append(
                ContractChange(
                    Impact.UNCLEAR,
                    f"what the request's '{name}' must be has another type or schema",
                )
            )
    return changes


def _readers(flow: Flow, field: str) -> list[Any]:
    """Types and schemas of the inputs that a request's field goes to as it is."""
    found = []
    for edge in flow.edges:
        if edge.source == f"_input.{field}" and edge.transform is None:
            name, _, port = edge.target.partition(".")
            node = flow.nodes.get(name)
            ports = [p for p in node.inputs if not port or p.name == port] if node else []
            found += [[p.type, p.json_schema] for p in ports]
    return sorted(found, key=repr)


def _response(before: Flow, after: Flow) -> list[ContractChange]:
    old, new = _outputs(before), _outputs(after)
    if ("" in old) != ("" in new):
        form = "one value" if "" in new else "an object of named outputs"
        return [ContractChange(Impact.BREAKING, f"the response is {form}")]
    changes = []
    for name in old:
        shown = f"'{name}' of the response" if name else "the response"
        if name not in new:
            changes.append(ContractChange(Impact.BREAKING, f"{shown} is gone"))
            continue
        was, now = _delivered(before, old[name]), _delivered(after, new[name])
        kinds = [sorted({type_ for type_, _ in sources}) for sources in (was, now)]
        if kinds[0] != kinds[1]:
            texts = [" or ".join(kind) for kind in kinds]
            changes.append(
                ContractChange(Impact.BREAKING, f"{shown} is {texts[1]}, not {texts[0]}")
            )
        elif not same(sorted(map(list, was), key=repr), sorted(map(list, now), key=repr)):
            changes.append(ContractChange(Impact.UNCLEAR, f"{shown} has another schema"))
        sure = [any(edge.condition is None for edge in edges) for edges in (old[name], new[name])]
        if sure == [True, False]:
            changes.append(ContractChange(Impact.BREAKING, f"{shown} may be missing"))
    for name in new:
        if name not in old:
            changes.append(ContractChange(Impact.COMPATIBLE, f"'{name}' of the response is new"))
    return changes


def _outputs(flow: Flow) -> dict[str, list[Edge]]:
    """The edges to each output; the empty name is the response as a whole."""
    found: dict[str, list[Edge]] = {}
    for edge in flow.edges:
        if edge.target == "_output" or edge.target.startswith("_output."):
            found.setdefault(edge.target.removeprefix("_output").removeprefix("."), []).append(edge)
    return found


def _delivered(flow: Flow, edges: list[Edge]) -> list[tuple[str, Any]]:
    """Types and schemas of what edges deliver; an expression may give anything."""
    found: list[tuple[str, Any]] = []
    for edge in edges:
        port = _source(flow, edge)
        if edge.transform is not None or port is None:
            found.append(("anything", edge.transform))
        else:
            found.append((port.type, port.json_schema))
    return found


def _source(flow: Flow, edge: Edge) -> Port | None:
    name, _, port = edge.source.partition(".")
    node = flow.nodes.get(name)
    if node is None:
        return None
    ports = [*node.outputs, *([node.error] if node.error else [])]
    if not port:
        return node.outputs[0] if len(node.outputs) == 1 else None
    return next((item for item in ports if item.name == port), None)
