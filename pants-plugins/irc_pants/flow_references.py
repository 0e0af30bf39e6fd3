"""What a flow refers to, read in the engine: enough to know its inputs and its dependencies.

A flow may be broken in any way. What cannot be read refers to nothing here; the compiler then says
what is wrong.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pants.engine.fs import Digest, DigestContents
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest
from pants.util.logging import LogLevel

from irc_pants.target_types import AgentFlowSourceField
from irc_pants.yaml_tree import load_yaml

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


@dataclass(frozen=True)
class FlowReferences:
    """What a flow refers to; every tuple is sorted.

    Attributes:
        files: paths from the build root, whether the files exist or not.
        functions: the modules of functions that nodes name.
        inline_code: Python texts.
        runtime: the modules of irc_runtime that the agent imports.
        target: where the agent is deployed; decides how it is packaged.
    """

    files: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    inline_code: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()
    target: str = "kserve"

    @property
    def python_files(self) -> tuple[str, ...]:
        """Those of the files that the agent imports."""
        return tuple(file for file in self.files if file.endswith(".py"))


@dataclass(frozen=True)
class FlowReferencesRequest:
    source: AgentFlowSourceField


@rule(desc="Read what a flow refers to", level=LogLevel.DEBUG)
async def read_flow_references(request: FlowReferencesRequest) -> FlowReferences:
    sources = await Get(HydratedSources, HydrateSourcesRequest(request.source))
    contents = await Get(DigestContents, Digest, sources.snapshot.digest)
    return find_references(contents[0].path, contents[0].content)


def find_references(path: str, content: bytes) -> FlowReferences:
    """What the flow with this path from the build root, and with this content, refers to."""
    try:
        flow = json.loads(content) if path.endswith(".json") else load_yaml(content)
    except (yaml.YAMLError, ValueError, RecursionError):
        return FlowReferences()
    files: set[str] = set()
    functions: set[str] = set()
    inline_code: set[str] = set()
    target = _mapping(_mapping(flow).get("deployment")).get("target")
    target = target if isinstance(target, str) else "kserve"
    runtime: set[str] = {*ALWAYS, *BY_TARGET.get(target, SERVED)}
    for node in _mapping(_mapping(flow).get("nodes")).values():
        node = _mapping(node)
        runtime.update(_runtime(node))
        transform = _mapping(node.get("transform"))
        spec = transform.get("spec")
        if transform.get("mode") == "code" and isinstance(spec, str):
            inline_code.add(spec)
        function = _mapping(spec).get("function")
        if isinstance(function, str) and ":" in function:
            functions.add(function.partition(":")[0])
        for text in (spec, *_texts(_mapping(node.get("prompt")))):
            file = _mapping(text).get("file")
            if isinstance(file, str):
                files.update(_beside(path, file))
    return FlowReferences(
        tuple(sorted(files)),
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


def _texts(prompt: dict[str, Any]) -> Iterator[Any]:
    """What may stand in a file of its own."""
    yield prompt.get("template")
    yield prompt.get("system")
    for tool in _sequence(prompt.get("tools")):
        yield _mapping(tool).get("description")


def _beside(flow: str, relative: str) -> Iterator[str]:
    """A path relative to a flow, from the build root, unless it leads outside."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(flow), relative))
    if not posixpath.isabs(path) and path.split("/")[0] not in {".", ".."}:
        yield path


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def rules() -> Iterable[Rule]:
    return collect_rules()
