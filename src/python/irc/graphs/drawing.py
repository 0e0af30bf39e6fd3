"""A flow as boxes and arrows, before it is written in any language of drawings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from irc.emit.agent import Compiled
from irc.ir.graph import Link, NodePort, Output, RequestField
from irc.ir.model import Node
from irc.ops.registry import operation_of
from irc.passes.liveness import is_effectful

HANDLER = "on_error"
"""The terminal that leads to the flow's error handler."""


class Kind(StrEnum):
    """What a box is; each has a colour."""

    CODE = "code"
    PROMPT = "prompt"
    OPERATION = "operation"
    EFFECT = "effect"
    STATE = "state"
    TERMINAL = "terminal"


class Route(StrEnum):
    """Why an arrow is there."""

    VALUE = "value"
    ERROR = "error"
    TOOL = "tool"


@dataclass(frozen=True)
class Box:
    """A node or a terminal.

    Attributes:
        id: unique; letters, digits and ``_``, and no word of Mermaid or DOT.
        lines: what stands in it; the first line is the name.
        dead: whether it never runs.
        position: where an editor put it, in points, y downwards.
    """

    id: str
    kind: Kind
    lines: tuple[str, ...]
    dead: bool = False
    position: tuple[float, float] | None = None


@dataclass(frozen=True)
class Arrow:
    """An edge of the flow, a route of failures, or the use of a tool.

    Attributes:
        source, target: ids of boxes.
        lines: ports, then condition and transform, where there are any.
    """

    source: str
    target: str
    lines: tuple[str, ...]
    route: Route = Route.VALUE


@dataclass
class Drawing:
    """All of a flow, in file order.

    Attributes:
        placed: whether all boxes have a position.
    """

    title: str
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def placed(self) -> bool:
        return all(box.position is not None for box in self.boxes)


def draw(compiled: Compiled) -> Drawing:
    """Lay out what a flow says, dead nodes included."""
    flow = compiled.graph.flow
    drawing = Drawing(flow.metadata.name)
    links = compiled.graph.links
    tools = {
        tool.maps_to for node in flow.nodes.values() if node.prompt for tool in node.prompt.tools
    }
    alive = compiled.units.keys() | tools
    sources = dict.fromkeys(_source_box(link) for link in links)
    targets = dict.fromkeys(_target_box(link) for link in links)
    drawing.boxes += [box for box in sources if isinstance(box, Box)]
    drawing.boxes += [
        Box(
            _id(name), _kind(compiled, name), (name, *_details(node)), name not in alive,
            (node.position.x, node.position.y) if node.position else None,
        )
        for name, node in flow.nodes.items()
    ]  # fmt: skip
    drawing.boxes += [box for box in targets if isinstance(box, Box)]
    drawing.arrows += [_arrow(compiled, link) for link in links]
    for name, node in flow.nodes.items():
        for tool in node.prompt.tools if node.prompt else []:
            drawing.arrows.append(
                Arrow(_id(name), _id(tool.maps_to), (f"tool {tool.name}",), Route.TOOL)
            )
    if flow.on_error is not None:
        drawing.boxes.append(Box(HANDLER, Kind.TERMINAL, ("on_error",)))
        drawing.arrows.append(Arrow(HANDLER, _id(flow.on_error), ("error",), Route.ERROR))
    _place_terminals(drawing)
    return drawing


def _id(node: str) -> str:
    return f"node_{node}"


def _source_box(link: Link) -> Box | str:
    if isinstance(link.source, RequestField):
        name = link.source.name
        return Box(f"input_{_word(name)}", Kind.TERMINAL, (f"_input.{name}",))
    return _id(link.source.node)


def _target_box(link: Link) -> Box | str:
    if isinstance(link.target, Output):
        name = link.target.name
        if name is None:
            return Box("output", Kind.TERMINAL, ("_output",))
        return Box(f"output_{_word(name)}", Kind.TERMINAL, (f"_output.{name}",))
    return _id(link.target.node)


def _word(name: str) -> str:
    """A field's name as a part of an id; other characters than those of names as their code."""
    return "".join(c if c.isascii() and c.isalnum() or c == "_" else f"x{ord(c):x}" for c in name)


def _kind(compiled: Compiled, name: str) -> Kind:
    node = compiled.graph.flow.nodes[name]
    if node.prompt is not None:
        return Kind.PROMPT
    if node.state is not None:
        return Kind.STATE
    if is_effectful(compiled.graph, name):
        return Kind.EFFECT
    return Kind.OPERATION if operation_of(node) is not None else Kind.CODE


def _details(node: Node) -> list[str]:
    """What a node does, a line for each part of it."""
    details = []
    operation = operation_of(node)
    if operation is not None:
        details.append(operation.name + (" (effect)" if operation.effectful else ""))
    elif node.transform is not None:
        spec = node.transform.spec
        where = (spec.get("file") or spec.get("function")) if isinstance(spec, dict) else None
        details.append(f"code {where}" if where else "code")
    if node.prompt is not None:
        details.append(f"prompt {node.prompt.model.name}")
    if node.state is not None:
        details.append(f"state of the {node.state.scope}")
    return details


def _arrow(compiled: Compiled, link: Link) -> Arrow:
    source, target = _source_box(link), _target_box(link)
    ports = [
        port
        for end in (link.source, link.target)
        if (port := end.port if isinstance(end, NodePort) else "")
    ]
    lines = [" → ".join(dict.fromkeys(ports))]
    if link.edge.condition is not None:
        lines.append(f"if {link.edge.condition}")
    if link.edge.transform is not None:
        lines.append(f"= {link.edge.transform}")
    error = isinstance(link.source, NodePort) and _is_error(compiled, link.source)
    return Arrow(
        source if isinstance(source, str) else source.id,
        target if isinstance(target, str) else target.id,
        tuple(" ".join(line.split()) for line in lines),
        Route.ERROR if error else Route.VALUE,
    )


def _is_error(compiled: Compiled, port: NodePort) -> bool:
    error = compiled.graph.flow.nodes[port.node].error
    return error is not None and error.name == port.port


GAP_X, GAP_Y = 240.0, 80.0
"""Between a flow's nodes and its terminals, and from one terminal to the next, in points."""


def _place_terminals(drawing: Drawing) -> None:
    """Give terminals places left and right of the nodes, where all nodes have one."""
    places = [box.position for box in drawing.boxes if box.kind is not Kind.TERMINAL]
    known = [place for place in places if place is not None]
    if len(known) < len(places):
        return
    left, right = min(x for x, _ in known), max(x for x, _ in known)
    top = min(y for _, y in known)
    columns = {left - GAP_X: 0, right + GAP_X: 0}
    for index, box in enumerate(drawing.boxes):
        if box.kind is Kind.TERMINAL:
            x = right + GAP_X if box.id.startswith("output") else left - GAP_X
            place = (x, top + GAP_Y * columns[x])
            columns[x] += 1
            drawing.boxes[index] = Box(box.id, box.kind, box.lines, box.dead, place)
