"""What a JSON Schema of the flow refers to, in the flow and in files: looked up, read and checked."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

from irc.diagnostics import Diagnostics, Span, did_you_mean
from irc.passes.files import Files
from irc.passes.schema_keywords import DRAFTS, IN_PLACE, draft_of, subschemas
from irc.source import Document, Path

_IN_PACKAGE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?!//)(.+\.(?:json|yaml|yml))\Z")


class Place(NamedTuple):
    """Where a schema stands: a file, and the path in it."""

    file: str
    path: Path


class Reference(NamedTuple):
    """A ``$ref``: the place that it names, and the document in which it stands.

    The place is None for a metaschema, which every validator knows.
    """

    place: Place | None
    document: Document


@dataclass(frozen=True)
class _Scope:
    """What ``#`` means at a place: the schema with the nearest ``$id``, or the whole file."""

    document: Document
    base: Path
    uri: str
    draft: int
    value: Any


class _Mistake(NamedTuple):
    path: Path
    message: str


@lru_cache(maxsize=256)
def _mistake(draft: int, schema: str) -> _Mistake | None:
    """Why a text of JSON is no schema; flows that are compiled together have many of their schemas in common."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft7Validator, Draft202012Validator

    kind = Draft7Validator if draft == 7 else Draft202012Validator
    try:
        kind.check_schema(json.loads(schema))
    except SchemaError as error:
        return _Mistake(tuple(error.absolute_path), error.message)
    return None


@dataclass
class SchemaGraph:
    """The schemas that can be reached from one in the flow.

    Attributes:
        values: the schemas, by place; those within others included.
        drafts: the draft of each, 7 or 2020.
        references: the place that the ``$ref`` of a schema names.
        is_plain: whether each reference is a fragment, ``#…``, and no schema has an ``$id``.
    """

    files: Files
    report: Diagnostics
    values: dict[Place, Any] = field(default_factory=dict)
    drafts: dict[Place, int] = field(default_factory=dict)
    references: dict[Place, Reference] = field(default_factory=dict)
    dynamic: list[Span] = field(default_factory=list)
    is_plain: bool = True
    is_fine: bool = True
    _ids: dict[str, _Scope] = field(default_factory=dict)
    _wanted: list[tuple[Any, Place, _Scope]] = field(default_factory=list)
    _pending: list[tuple[str, Place, _Scope]] = field(default_factory=list)

    def add(self, schema: Any, path: Path) -> Place:
        """Look up all that a schema of the flow refers to; gives its place.

        Reports:
            E206 what is no schema, E313 and E101 to E106 for files, E314 references that lead
            nowhere, E315 schemas that refer to each other without end, E316 other drafts.
        """
        document = self.files.document
        root = Place(document.source.name, path)
        scope = _Scope(document, path, "", 2020, schema)
        self._check(schema, root, scope)
        while self._wanted:
            value, place, scope = self._wanted.pop(0)
            if place not in self.values:
                self._check(value, place, scope)
        if self.is_fine:
            self._check_endless()
        return root

    def _fail(self, code: str, span: Span, message: str, hint: str | None = None) -> None:
        self.is_fine = False
        self.report.error(code, span, message, hint=hint)

    def _refuse_draft(self, document: Document, path: Path) -> None:
        self._fail(
            "E316", document.span((*path, "$schema")),
            "a schema is of draft 7 or of draft 2020-12 of JSON Schema",
            "without '$schema', it is read as one of 2020-12",
        )  # fmt: skip

    def _check(self, schema: Any, place: Place, scope: _Scope) -> None:
        """Check a schema against its draft's metaschema, and note what it refers to."""
        draft = draft_of(schema)
        if draft == 0:
            self._refuse_draft(scope.document, place.path)
            return
        if draft is not None:
            self.is_plain = self.is_plain and schema["$schema"].rstrip("#") in DRAFTS
            scope = replace(scope, draft=draft)
        mistake = _mistake(scope.draft, json.dumps(schema))
        if mistake is not None:
            span = scope.document.span((*place.path, *mistake.path))
            self._fail("E206", span, f"not a JSON Schema: {_first_line(mistake.message)}")
            return
        self._visit(schema, place, scope)
        for text, source, at in self._pending:
            self._refer(text, source, at)
        self._pending.clear()

    def _visit(self, schema: Any, place: Place, scope: _Scope) -> None:
        self.values[place] = schema
        self.drafts[place] = scope.draft
        if not isinstance(schema, dict):
            return
        name = schema.get("$id")
        if isinstance(name, str) and not name.startswith("#"):
            self.is_plain = False
            uri = urljoin(scope.uri, name).rstrip("#")
            scope = _Scope(scope.document, place.path, uri, scope.draft, schema)
            self._ids.setdefault(uri, scope)
        if isinstance(schema.get("$ref"), str):
            self._pending.append((schema["$ref"], place, scope))
        if scope.draft == 2020 and "$dynamicRef" in schema:
            self.dynamic.append(scope.document.span((*place.path, "$dynamicRef")))
        for path, value in subschemas(schema, scope.draft):
            self._visit(value, Place(place.file, (*place.path, *path)), scope)

    def _refer(self, text: str, source: Place, scope: _Scope) -> None:
        """Look up one reference; what it names is checked later."""
        address, _, fragment = text.partition("#")
        if address:
            self.is_plain = False
        uri = urljoin(scope.uri, address)
        if not address:
            target = scope
        elif uri in self._ids:
            target = self._ids[uri]
        elif uri in DRAFTS:
            self.references[source] = Reference(None, scope.document)
            return
        elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", address) and not _IN_PACKAGE.match(address):
            self._fail(
                "E314", _span(scope, source), f"the reference '{text}' leads nowhere: schemas are not fetched",
                "put the schema into a file beside the flow and name that",
            )  # fmt: skip
            return
        else:
            found = self._file(address, scope, source)
            if found is None:
                self.is_fine = False
                return
            draft = draft_of(found.data)
            if draft == 0:
                self._refuse_draft(found, ())
                return
            target = _Scope(found, (), "", draft or self._root_draft(), found.data)
        path, hint = _path_of(target.value, target.base, unquote(fragment))
        if path is None:
            self._fail("E314", _span(scope, source), f"the reference '{text}' leads nowhere", hint)
            return
        place = Place(target.document.source.name, path)
        self.references[source] = Reference(place, scope.document)
        value = target.value
        for step in path[len(target.base) :]:
            value = value[step]
        self._wanted.append((value, place, target))

    def _root_draft(self) -> int:
        return next(iter(self.drafts.values()))

    def _file(self, address: str, scope: _Scope, source: Place) -> Document | None:
        """The document of ``customer.json``, beside the file that names it, or ``package:path``."""
        folder = posixpath.dirname(scope.document.source.name)
        package = _IN_PACKAGE.match(address)
        if package:
            folder = posixpath.join(self.files.source_root, *package[1].split("."))
        name = posixpath.normpath(
            posixpath.join(folder, unquote(package[2] if package else address))
        )
        return self.files.document_of(
            name, address, lambda: _span(scope, source), "to the file that names it"
        )

    def _check_endless(self) -> None:
        """Report E315 for schemas that a value would be checked against without end."""
        done: set[Place] = set()
        for start in self.references:
            trail: list[Place] = []
            stack = [(start, 0)]
            while stack:
                place, depth = stack.pop()
                del trail[depth:]
                if place in trail:
                    self._report_endless(trail[trail.index(place) :])
                    return
                if place not in done:
                    done.add(place)
                    trail.append(place)
                    stack += [(item, depth + 1) for item in reversed(self._in_place(place))]

    def _in_place(self, place: Place) -> list[Place]:
        """The schemas that are applied to the same value as the one at a place."""
        schema = self.values[place]
        if not isinstance(schema, dict):
            return []
        reference = self.references.get(place)
        found = [reference.place] if reference is not None and reference.place else []
        draft = self.drafts[place]
        if draft == 7 and reference is not None:
            return found
        return found + [
            Place(place.file, (*place.path, *path))
            for path, _ in subschemas(schema, draft)
            if path[0] in IN_PLACE
        ]

    def _report_endless(self, cycle: list[Place]) -> None:
        spans = [
            self.references[place].document.span((*place.path, "$ref"))
            for place in cycle
            if place in self.references
        ]
        self.is_fine = False
        self.report.error(
            "E315", spans[0], "this reference leads back to itself, with nothing checked on the way",
            related=[(span, "through this one") for span in spans[1:]],
            hint="refer to it for a part of the value, as within 'properties' or 'items'",
        )  # fmt: skip


def _span(scope: _Scope, source: Place) -> Span:
    return scope.document.span((*source.path, "$ref"))


def _path_of(value: Any, base: Path, fragment: str) -> tuple[Path | None, str | None]:
    """The path that a JSON pointer (RFC 6901) or an anchor below a place names, or else a hint."""
    if fragment and not fragment.startswith("/"):
        return _anchored(value, base, fragment), None
    path = base
    for token in fragment.split("/")[1:]:
        key: str | int = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and re.fullmatch("0|[1-9][0-9]{0,8}", str(key)):
            key = int(key)
            found = key < len(value)
        else:
            found = isinstance(value, dict) and key in value
        if not found:
            return None, did_you_mean(str(key), value) if isinstance(value, dict) else None
        value = value[key]
        path = (*path, key)
    return path, None


def _anchored(value: Any, base: Path, anchor: str) -> Path | None:
    stack: list[tuple[Path, Any]] = [(base, value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict):
            if anchor in (item.get("$anchor"), item.get("$dynamicAnchor")):
                return path
            if item.get("$id") == f"#{anchor}":  # draft 7
                return path
            stack += [((*path, key), inner) for key, inner in item.items()]
        elif isinstance(item, list):
            stack += [((*path, index), inner) for index, inner in enumerate(item)]
    return None


def _first_line(text: str) -> str:
    line = text.split("\n")[0]
    return line if len(line) <= 120 else line[:117] + "..."
