"""Drawings in Mermaid (mermaid.js.org/syntax/flowchart.html), which Markdown pages show."""

from __future__ import annotations

from irc.graphs.drawing import Box, Drawing, Kind, Route
from irc.graphs.palette import DEAD, FILLS

SHAPES = {
    Kind.TERMINAL: ("([", "])"),
    Kind.PROMPT: ("{{", "}}"),
    Kind.STATE: ("[(", ")]"),
    Kind.EFFECT: ("[[", "]]"),
}
"""Others are rectangles."""

ARROWS = {Route.VALUE: "-->", Route.ERROR: "-.->", Route.TOOL: "<-.->"}


def write_mermaid(drawing: Drawing) -> str:
    """The text of a flowchart, the same for the same flow."""
    lines = ["flowchart LR"]
    lines += [f"    {_box(box)}" for box in drawing.boxes]
    for arrow in drawing.arrows:
        label = _text(arrow.lines)
        between = f"{ARROWS[arrow.route]}|{label}|" if label != '""' else ARROWS[arrow.route]
        lines.append(f"    {arrow.source} {between} {arrow.target}")
    for kind in Kind:
        members = [box.id for box in drawing.boxes if box.kind is kind and not box.dead]
        if members:
            lines.append(f"    classDef {kind} fill:{FILLS[kind]},stroke:#333,color:#000")
            lines.append(f"    class {','.join(members)} {kind}")
    dead = [box.id for box in drawing.boxes if box.dead]
    if dead:
        lines.append(f"    classDef dead fill:{DEAD},stroke:#999,color:#999,stroke-dasharray:4 3")
        lines.append(f"    class {','.join(dead)} dead")
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    before, after = SHAPES.get(box.kind, ("[", "]"))
    return f"{box.id}{before}{_text(box.lines)}{after}"


def _text(lines: tuple[str, ...]) -> str:
    """A quoted text; what Mermaid or HTML would read is written as character codes."""
    rows = ("".join(f"#{ord(c)};" if c in '"#&;<>`\\' else c for c in line) for line in lines)
    return '"' + "<br/>".join(row for row in rows if row) + '"'
