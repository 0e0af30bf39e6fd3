"""The difference of two flows, in the order of the language reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from irc.difference.contract import ContractChange, Impact, contract_changes
from irc.difference.values import Change, Kind, compare
from irc.difference.versions import Version
from irc.ir.model import Edge, Flow, Node


@dataclass(frozen=True)
class Difference:
    """All that changed.

    Attributes:
        contract: what callers see of it.
    """

    contract: tuple[ContractChange, ...]
    changes: tuple[Change, ...]

    @property
    def impact(self) -> Impact | None:
        """The worst that callers see; None where they see nothing."""
        impacts = {change.impact for change in self.contract}
        return next((impact for impact in Impact if impact in impacts), None)


def difference(before: Version, after: Version) -> Difference:
    """Compare two versions. Positions in drawings, ``x-…`` keys and layout say nothing."""
    old, new = before.flow, after.flow
    assert old is not None
    assert new is not None
    both = set(before.contents) & set(after.contents)
    changes = [
        *compare("metadata", old.metadata.model_dump(), new.metadata.model_dump()),
        *_names("context.requires", old.context.requires, new.context.requires),
        *_names("context.optional", old.context.optional, new.context.optional),
        *compare("nodes", _nodes(old, before.contents, both), _nodes(new, after.contents, both)),
        *_edges(old.edges, new.edges),
        *compare("deployment", old.deployment.model_dump(), new.deployment.model_dump()),
        *compare("on_error", old.on_error, new.on_error),
        *compare("tests", _tests(old), _tests(new)),
    ]
    return Difference(tuple(contract_changes(old, new)), tuple(changes))


def _names(place: str, before: list[str], after: list[str]) -> Iterator[Change]:
    for name in after:
        if name not in before:
            yield Change(place, Kind.ADDED, None, name)
    for name in before:
        if name not in after:
            yield Change(place, Kind.REMOVED, name, None)


def _nodes(flow: Flow, contents: dict[str, str], both: set[str]) -> dict[str, Any]:
    """Nodes with the texts of the files that both versions have."""
    texts = {name: contents[name] for name in both}
    return {name: _node(node, texts) for name, node in flow.nodes.items()}


def _node(node: Node, contents: dict[str, str]) -> dict[str, Any]:
    """A node's values with its files' texts; without what is not there."""
    return {
        key: _with_contents(value, contents)
        for key, value in node.model_dump(exclude={"id", "position"}).items()
        if value is not None
    }


def _with_contents(value: Any, contents: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_with_contents(item, contents) for item in value]
    if not isinstance(value, dict):
        return value
    found = {
        "schema" if key == "json_schema" else key: _with_contents(item, contents)
        for key, item in value.items()
    }
    if list(value) == ["file"] and value["file"] in contents:
        found["(content)"] = contents[value["file"]]
    return found


def _tests(flow: Flow) -> list[Any]:
    return [case.model_dump(exclude_unset=True) for case in flow.tests]


def _edges(before: list[Edge], after: list[Edge]) -> Iterator[Change]:
    """Edges that came, went, or go under another condition; then changed precedence."""
    gone = list((Counter(before) - Counter(after)).elements())
    came = list((Counter(after) - Counter(before)).elements())
    for edge in list(gone):
        other = next((e for e in came if (e.source, e.target) == (edge.source, edge.target)), None)
        if other is not None:
            gone.remove(edge)
            came.remove(other)
            yield Change("edges", Kind.CHANGED, edge_text(edge), edge_text(other))
    for edge in gone:
        yield Change("edges", Kind.REMOVED, edge_text(edge), None)
    for edge in came:
        yield Change("edges", Kind.ADDED, None, edge_text(edge))
    targets = dict.fromkeys(edge.target for edge in before)
    for target in targets:
        old, new = ([edge for edge in edges if edge.target == target] for edges in (before, after))
        if old != new and Counter(old) == Counter(new):
            yield Change(
                f"edges to {target}.(order)", Kind.CHANGED,
                [edge.source for edge in old], [edge.source for edge in new],
            )  # fmt: skip


def edge_text(edge: Edge) -> str:
    text = f"{edge.source} -> {edge.target}"
    if edge.condition is not None:
        text += f" if {edge.condition}"
    return text + (f" = {edge.transform}" if edge.transform is not None else "")
