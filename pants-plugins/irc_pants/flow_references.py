"""What a flow refers to, read in the engine: enough to know its inputs and its dependencies.

A flow may be broken in any way. What cannot be read refers to nothing here; the compiler then says
what is wrong.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pants.engine.fs import Digest, DigestContents, PathGlobs
from pants.engine.rules import Get, MultiGet, Rule, collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest
from pants.source.source_root import OptionalSourceRoot, SourceRootRequest
from pants.util.logging import LogLevel
from pants.util.strutil import softwrap

from irc_pants.file_references import (
    FileKind,
    FileReference,
    FlowPlace,
    file_reference,
    is_encodable,
    read_document,
    references_of_file,
    references_of_schema,
    references_of_template,
)
from irc_pants.target_types import AgentFlowSourceField

# The modules of irc_runtime that an agent imports. Those that bring no requirement of their own are
# there for every agent; the others by what its flow uses.
ALWAYS = (
    "agent",
    "branches",
    "cache",
    "context",
    "delivery",
    "edge",
    "environment",
    "errors",
    "node",
    "schema",
    "state",
)
BY_TARGET = {"lambda": ("aws_lambda",)}
SERVED = ("serving",)
CASES = ("cases",)
BY_OPERATION = {
    "hopsworks.read_features": ("features",),
    "hopsworks.write_features": ("features",),
    "hopsworks.get_model": ("registry",),
    "http.get": ("http",),
    "http.post": ("http",),
}
BY_PROMPT = ("models", "prompt")
BY_PROVIDER = {
    "anthropic": ("anthropic_chat",),
    "azure": ("azure_chat",),
    "bedrock": ("bedrock_chat",),
    "openai": ("openai_chat",),
}
BY_BACKEND = {"redis": ("state.redis",)}


class FlowOutsideSourceRootError(Exception):
    """A flow would become a module that nothing can import."""


@dataclass(frozen=True)
class FlowReferences:
    """What a flow refers to; every tuple is sorted.

    Attributes:
        flow: where the flow stands.
        files: those that the flow names, and with `FlowReferencesRequest` those that they name.
        functions: the modules of functions that nodes name.
        inline_code: Python texts.
        runtime: the modules of irc_runtime that the agent imports.
        target: where the agent is deployed; decides how it is packaged.
    """

    flow: FlowPlace
    files: tuple[FileReference, ...] = ()
    functions: tuple[str, ...] = ()
    inline_code: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()
    target: str = "kserve"

    @property
    def paths(self) -> tuple[str, ...]:
        """The files' paths from the build root, whether the files exist or not."""
        return tuple(sorted({file.path for file in self.files}))

    @property
    def python_files(self) -> tuple[str, ...]:
        """Those of the paths that the agent imports."""
        return tuple(path for path in self.paths if path.endswith(".py"))


@dataclass(frozen=True)
class FlowReferencesRequest:
    source: AgentFlowSourceField


@rule(desc="Read what a flow refers to", level=LogLevel.DEBUG)
async def read_flow_references(request: FlowReferencesRequest) -> FlowReferences:
    sources, root = await MultiGet(
        Get(HydratedSources, HydrateSourcesRequest(request.source)),
        Get(
            OptionalSourceRoot,
            SourceRootRequest,
            SourceRootRequest.for_file(request.source.file_path),
        ),
    )
    if root.source_root is None:
        raise FlowOutsideSourceRootError(_outside_source_root(request.source))
    (source,) = await Get(DigestContents, Digest, sources.snapshot.digest)
    flow = FlowPlace(source.path, root.source_root.path)
    references = find_references(flow, source.content)
    found = set(references.files)
    unread = found
    while unread:
        paths = sorted({file.path for file in unread if file.kind is not FileKind.PLAIN})
        contents = await Get(DigestContents, PathGlobs(glob.escape(path) for path in paths))
        content_of = {content.path: content.content for content in contents}
        unread = {
            reference
            for file in unread
            if file.path in content_of
            for reference in references_of_file(file, content_of[file.path], flow)
        } - found
        found |= unread
    return replace(references, files=_sorted(found))


def _outside_source_root(source: AgentFlowSourceField) -> str:
    return softwrap(
        f"""
        The flow of {source.address}, by its field `{source.alias}` {source.file_path!r}, is below no
        source root, so that its agent would be no module. Add its folder, or one above, to
        `[source].root_patterns`, or move the flow below a source root.
        """
    )


def find_references(flow: FlowPlace, content: bytes) -> FlowReferences:
    """What the flow at a place, and with this content, refers to itself."""
    document = _mapping(read_document(flow.path, content))
    files: set[FileReference] = set()
    functions: set[str] = set()
    inline_code: set[str] = set()
    target = _mapping(document.get("deployment")).get("target")
    target = target if isinstance(target, str) else "kserve"
    runtime: set[str] = {*ALWAYS, *BY_TARGET.get(target, SERVED)}
    if target != "lambda" and _sequence(document.get("tests")):
        runtime.update(CASES)
    for node in _mapping(document.get("nodes")).values():
        node = _mapping(node)
        runtime.update(_runtime(node))
        transform = _mapping(node.get("transform"))
        spec = transform.get("spec")
        if transform.get("mode") == "code" and isinstance(spec, str) and is_encodable(spec):
            inline_code.add(spec)
        function = _mapping(spec).get("function")
        if isinstance(function, str) and ":" in function and is_encodable(function):
            functions.add(function.partition(":")[0])
        for text, kind in ((spec, FileKind.PLAIN), *_texts(_mapping(node.get("prompt")))):
            file = _mapping(text).get("file")
            if isinstance(file, str):
                files.update(file_reference(flow.folder, file, kind))
            elif isinstance(text, str) and kind is FileKind.TEMPLATE:
                files.update(references_of_template(text, flow))
    for schema in _schemas(document):
        files.update(references_of_schema(schema, flow.folder, flow))
    return FlowReferences(
        flow,
        _sorted(files),
        tuple(sorted(functions)),
        tuple(sorted(inline_code)),
        tuple(sorted(f"irc_runtime.{module}" for module in runtime)),
        target,
    )


def _runtime(node: dict[str, Any]) -> Iterator[str]:
    operation = _mapping(_mapping(node.get("transform")).get("spec")).get("op")
    if isinstance(operation, str):
        yield from BY_OPERATION.get(operation, ())
    if "prompt" in node:
        yield from BY_PROMPT
        prompt = _mapping(node["prompt"])
        for model in (prompt.get("model"), _mapping(prompt.get("fallback")).get("model")):
            yield from BY_PROVIDER.get(str(_mapping(model).get("provider")), ())
        if "tools" in prompt:
            yield "tools"
    yield from BY_BACKEND.get(str(_mapping(node.get("state")).get("backend")), ())


def _texts(prompt: dict[str, Any]) -> Iterator[tuple[Any, FileKind]]:
    """What may stand in a file of its own."""
    yield prompt.get("template"), FileKind.TEMPLATE
    yield prompt.get("system"), FileKind.TEMPLATE
    for tool in _sequence(prompt.get("tools")):
        yield _mapping(tool).get("description"), FileKind.PLAIN


def _schemas(flow: dict[str, Any]) -> Iterator[Any]:
    """The JSON Schemas that stand in a flow."""
    for node in _mapping(flow.get("nodes")).values():
        node = _mapping(node)
        ports = [*_sequence(node.get("inputs")), *_sequence(node.get("outputs")), node.get("error")]
        for port in ports:
            yield _mapping(port).get("schema")
        prompt = _mapping(node.get("prompt"))
        yield prompt.get("output_schema")
        for tool in _sequence(prompt.get("tools")):
            yield _mapping(tool).get("parameters")
    for case in _sequence(flow.get("tests")):
        yield _mapping(_mapping(case).get("expect")).get("output_schema")


def _sorted(files: Iterable[FileReference]) -> tuple[FileReference, ...]:
    return tuple(sorted(files, key=lambda file: (file.path, file.kind.value)))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def rules() -> Iterable[Rule]:
    return collect_rules()
