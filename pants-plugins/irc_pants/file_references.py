"""What the files of a flow refer to: templates to templates, JSON Schemas to JSON Schemas.

The compiler says what a reference means and what is wrong with it. Here all are taken that may be one,
so that no file is missing where the compiler looks for it: those in a template's comments too, and
those in the parts of a schema file that nothing names.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote

import yaml

from irc_pants.yaml_tree import load_yaml

_STATEMENT = re.compile(r"\{%[-+]?\s*(?:extends|from|import|include)\b")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)
# So that a text that opens statements and ends none is read in a time that grows with its length.
_MAX_STATEMENT_LENGTH = 2_000
_IN_PACKAGE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?!//)(.+\.(?:json|yaml|yml))\Z")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class FileKind(Enum):
    """What the compiler looks for in a file: further references, or none."""

    PLAIN = "plain"
    SCHEMA = "schema"
    TEMPLATE = "template"


@dataclass(frozen=True)
class FileReference:
    """A file that a flow is made of, by its path from the build root, whether it exists or not."""

    path: str
    kind: FileKind


@dataclass(frozen=True)
class FlowPlace:
    """Where a flow stands: paths from the build root."""

    path: str
    source_root: str

    @property
    def folder(self) -> str:
        """The folder that the flow's references are relative to."""
        return posixpath.dirname(self.path)


def references_of_file(
    file: FileReference, content: bytes, flow: FlowPlace
) -> Iterator[FileReference]:
    """What a file of a flow refers to."""
    if file.kind is FileKind.TEMPLATE:
        yield from references_of_template(content.decode(errors="replace"), flow)
    elif file.kind is FileKind.SCHEMA:
        folder = posixpath.dirname(file.path)
        yield from references_of_schema(read_document(file.path, content), folder, flow)


def references_of_template(text: str, flow: FlowPlace) -> Iterator[FileReference]:
    """The templates that one includes, imports or extends; their names are relative to the flow."""
    for statement in _STATEMENT.finditer(text):
        start = statement.end()
        end = text.find("%}", start, start + _MAX_STATEMENT_LENGTH)
        for quoted in _QUOTED.finditer(text, start, max(end, start)):
            yield from file_reference(flow.folder, _unescaped(quoted), FileKind.TEMPLATE)


def references_of_schema(schema: Any, folder: str, flow: FlowPlace) -> Iterator[FileReference]:
    """The files that a schema, or a document that holds schemas, refers to.

    Args:
        folder: of the file with the schema.
    """
    for reference in _texts_at("$ref", schema):
        address = reference.partition("#")[0]
        package = _IN_PACKAGE.match(address)
        if package:
            base = posixpath.join(flow.source_root, *package[1].split("."))
            yield from file_reference(base, unquote(package[2]), FileKind.SCHEMA)
        elif address and not _ADDRESS.match(address):
            yield from file_reference(folder, unquote(address), FileKind.SCHEMA)


def file_reference(folder: str, relative: str, kind: FileKind) -> Iterator[FileReference]:
    """The file at a path relative to a folder, unless there can be none in the repository."""
    path = posixpath.normpath(posixpath.join(folder, relative))
    is_outside = posixpath.isabs(path) or path.split("/")[0] in {".", ".."}
    if not is_outside and is_encodable(path):
        yield FileReference(path, kind)


def read_document(path: str, content: bytes) -> Any:
    """A YAML or JSON document as plain values; None where it cannot be read."""
    if path.endswith(".json"):
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            pass  # The compiler reads JSON as YAML, which takes more.
    try:
        return load_yaml(content)
    except (yaml.YAMLError, ValueError):
        return None


def is_encodable(text: str) -> bool:
    """Whether the engine can take a text: JSON has halves of surrogate pairs, which UTF-8 has not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unescaped(quoted: re.Match[str]) -> str:
    """The value of a text in a template, by Jinja's rule; as it stands where it breaks the rule."""
    text = quoted[1] if quoted[1] is not None else quoted[2]
    try:
        return text.encode("ascii", "backslashreplace").decode("unicode-escape")
    except UnicodeDecodeError:
        return text


def _texts_at(key: str, value: Any) -> Iterator[str]:
    """The texts that stand at a key anywhere in a value, each place once whatever aliases name it."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, (dict, list)) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            text = item.get(key)
            if isinstance(text, str):
                yield text
            waiting.extend(item.values())
        else:
            waiting.extend(item)
