"""One self-contained JSON Schema of a schema and all that it refers to in files."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from irc.passes.schema_graph import Place, SchemaGraph
from irc.passes.schema_keywords import ANNOTATIONS, IDENTITY, subschemas, upgraded

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def bundled(graph: SchemaGraph, root: Place) -> Any:
    """The schema at a place with what it refers to below ``$defs``, under short names.

    A schema that is nothing but a reference becomes what it refers to. Where all is of draft 7, so
    is the result; otherwise what is of draft 7 is written in 2020-12.
    """
    return _Bundle(graph).write(root)


def is_reference(schema: Any) -> bool:
    """Whether a schema is nothing but a reference; titles and the like aside."""
    return isinstance(schema, dict) and "$ref" in schema and (
        set(schema) - {"$ref"} <= IDENTITY | ANNOTATIONS
    )  # fmt: skip


class _Bundle:
    def __init__(self, graph: SchemaGraph) -> None:
        self.graph = graph
        self.draft = 7 if set(graph.drafts.values()) == {7} else 2020
        self.names: dict[Place, str] = {}
        self.root: Place | None = None

    def write(self, root: Place) -> Any:
        notes: dict[str, Any] = {}
        while is_reference(self.graph.values[root]):
            place = self.graph.references[root].place
            if place is None:
                break
            value = self.graph.values[root]
            notes = {key: value[key] for key in value if key in ANNOTATIONS} | notes
            root = place
        self.root = root
        schema = self._copy(root)
        if not isinstance(schema, dict):
            return schema
        result: dict[str, Any] = {"$schema": DRAFT_7} if self.draft == 7 else {}
        result |= schema | notes
        definitions: dict[str, Any] = {}
        while len(definitions) < len(self.names):  # copies name further places
            place = list(self.names)[len(definitions)]
            definitions[self.names[place]] = self._copy(place)
        if definitions:
            result["$defs"] = definitions
        return result

    def _copy(self, place: Place) -> Any:
        schema = self.graph.values[place]
        if not isinstance(schema, dict):
            return schema
        draft = self.graph.drafts[place]
        if draft == 7 and place in self.graph.references:  # what stands beside is ignored
            return {"$ref": self._reference(place)}
        result: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword == "$ref" and place in self.graph.references:
                result["$ref"] = self._reference(place)
            elif keyword not in IDENTITY or keyword == "$comment":
                result[keyword] = value
        for path, _ in subschemas(schema, draft):
            if path[0] in IDENTITY:
                continue
            inner = self._copy(Place(place.file, (*place.path, *path)))
            if len(path) == 1:
                result[str(path[0])] = inner
            else:
                if result[str(path[0])] is schema[str(path[0])]:
                    result[str(path[0])] = schema[str(path[0])].copy()
                result[str(path[0])][path[1]] = inner
        return upgraded(result) if draft == 7 and self.draft == 2020 else result

    def _reference(self, place: Place) -> str:
        target = self.graph.references[place].place
        if target is None:
            return str(self.graph.values[place]["$ref"])
        if target == self.root:
            return "#"
        if target not in self.names:
            self.names[target] = self._name(target)
        return f"#/$defs/{self.names[target]}"

    def _name(self, place: Place) -> str:
        """A name for a place: the last key that leads to it, or else its file's."""
        stem = posixpath.basename(place.file).split(".")[0]
        keys = [key for key in place.path if isinstance(key, str)]
        wanted = [keys[-1], f"{stem}_{keys[-1]}"] if keys else [stem]
        wanted = [re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in wanted]
        taken = set(self.names.values())
        number = 1
        while wanted[0] in taken:
            if len(wanted) == 1:
                number += 1
                wanted.append(re.sub(r"(_\d+)?$", f"_{number}", wanted[0], count=1))
            del wanted[0]
        return wanted[0]
