"""The shapes of the IR, version 1.0. Shapes only: what a value means is the passes' matter.

Each class is one table of the language reference (docs/language.md); field names are its keys.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

PortType = Literal[
    "string", "number", "boolean", "object", "array", "document", "table", "embedding"
]
MAX_INT = 2**31 - 1
PositiveInt = Annotated[int, Field(strict=True, gt=0, le=MAX_INT)]
NonNegativeInt = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
PositiveFloat = Annotated[float, Field(strict=True, gt=0, le=MAX_INT)]
Name = Annotated[str, Field(strict=True, min_length=1)]


class Shape(BaseModel):
    """A mapping with known keys only; the shape pass takes out ``x-…`` keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileText(Shape):
    """``{file: path}``: a text in a file, relative to the flow's folder."""

    file: Name


class FunctionName(Shape):
    """``{function: "package.module:name"}``: a function of first-party code."""

    function: Name


class Operation(Shape):
    """A declarative operation and its arguments."""

    op: Name
    args: dict[str, Any] = {}


class Port(Shape):
    """A port; ``json_schema`` is its key ``schema``."""

    name: Name
    type: PortType
    json_schema: dict[str, Any] | bool | None = Field(None, validation_alias="schema")
    optional: StrictBool = False
    default: Any = None
    description: StrictStr | None = None


class ErrorPort(Port):
    type: PortType = "object"


class Transform(Shape):
    mode: Literal["declarative", "code"]
    spec: Any


class ModelRef(Shape):
    provider: Literal["openai", "anthropic", "azure", "bedrock"]
    name: Name
    endpoint: Name | None = None


class Tool(Shape):
    name: Name
    description: StrictStr | FileText | None = None
    parameters: dict[str, Any]
    maps_to: Name


FallbackKind = Literal["timeout", "error", "validation_fail"]


class Fallback(Shape):
    on: FallbackKind | Annotated[list[FallbackKind], Field(min_length=1)]
    model: ModelRef | None = None
    static_response: Any = None


class Prompt(Shape):
    template: StrictStr | FileText
    system: StrictStr | FileText | None = None
    model: ModelRef
    temperature: Annotated[float, Field(strict=True, ge=0, le=2)] = 0.7
    max_tokens: PositiveInt | None = None
    output_schema: dict[str, Any] | None = None
    tools: list[Tool] = []
    max_tool_rounds: PositiveInt = 8
    fallback: Fallback | None = None
    stream: StrictBool = False


class CacheSettings(Shape):
    ttl_seconds: PositiveFloat
    max_entries: PositiveInt = 1024


class Runtime(Shape):
    timeout_ms: PositiveInt = 30_000
    retries: PositiveInt = 1
    retry_backoff_ms: NonNegativeInt = 1_000
    requires_context: list[Name] = []
    concurrency: PositiveInt | None = None
    cache: CacheSettings | None = None


_RUNTIME = Runtime()


class State(Shape):
    scope: Literal["request", "session"]
    key: Name | None = None
    ttl_seconds: PositiveFloat | None = None
    backend: Literal["memory", "redis", "hopsworks"] = "memory"


class Position(Shape):
    x: StrictFloat
    y: StrictFloat


class Node(Shape):
    id: Name | None = None
    type: Literal["transform"] = "transform"
    description: StrictStr | None = None
    inputs: list[Port] = []
    outputs: list[Port] = []
    error: ErrorPort | None = None
    transform: Transform | None = None
    prompt: Prompt | None = None
    # The one default, which pydantic would copy for each node.
    runtime: Runtime = Field(default_factory=lambda: _RUNTIME)
    state: State | None = None
    position: Position | None = None


class Edge(Shape):
    source: Name = Field(validation_alias="from")
    target: Name = Field(validation_alias="to")
    condition: StrictStr | StrictBool | None = None
    transform: StrictStr | None = None


class Context(Shape):
    requires: list[Name] = []
    optional: list[Name] = []


class Metadata(Shape):
    name: Name
    description: StrictStr | None = None
    author: StrictStr | None = None
    created_at: StrictStr | None = None
    modified_at: StrictStr | None = None
    tags: list[StrictStr] = []


class Resources(Shape):
    cpu: StrictStr | StrictInt | StrictFloat | None = None
    memory: StrictStr | StrictInt | None = None
    gpu: StrictInt | StrictStr | None = None


class SecretRef(Shape):
    secret: Name
    key: Name


class KServe(Shape):
    namespace: Name | None = None
    service_name: Name | None = None
    min_replicas: NonNegativeInt | None = None
    max_replicas: PositiveInt | None = None
    target_rps: PositiveInt | None = None
    canary_traffic_percent: NonNegativeInt | None = None
    resources: Resources = Resources()
    env: dict[str, StrictStr | StrictInt | StrictFloat | StrictBool] = {}
    secrets: dict[str, SecretRef] = {}
    service_account: Name | None = None
    annotations: dict[str, StrictStr] = {}
    labels: dict[str, StrictStr] = {}


class Deployment(Shape):
    target: Literal["kserve", "lambda", "local"] = "kserve"
    kserve: KServe = KServe()


class MockedCall(Shape):
    name: Name
    arguments: dict[str, Any] = {}


class Mock(Shape):
    """What a node does in a test: one attempt."""

    outputs: dict[str, Any] | None = None
    error: Any = None
    delay_ms: NonNegativeInt | None = None
    tool_calls: list[MockedCall] = []
    completion: StrictStr | None = None


class Expect(Shape):
    output: Any = None
    output_schema: dict[str, Any] | bool | None = None
    status: StrictInt | None = None
    ran: list[Name] = []
    skipped: list[Name] = []
    error: StrictStr | None = None


class Case(Shape):
    name: Name
    request: dict[str, Any]
    mocks: dict[str, Mock | list[Mock]] = {}
    expect: Expect = Expect()


class Flow(Shape):
    version: Literal["1.0"]
    metadata: Metadata
    context: Context = Context()
    nodes: Annotated[dict[str, Node], Field(min_length=1)]
    edges: list[Edge] = []
    deployment: Deployment = Deployment()
    on_error: Name | None = None
    tests: list[Case] = []
