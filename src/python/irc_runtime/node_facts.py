"""What a flow says of a node, as generated tests repeat it beside values that fit the node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Kinds of failure, as ``fallback.on`` names them.
FailureKind = Literal["timeout", "error", "validation_fail"]


@dataclass(frozen=True, slots=True)
class StateFacts:
    """A node's ``state``.

    Attributes:
        scope: ``request`` or ``session``.
        key_fields: context fields and input ports that the key is made of.
        ttl_s: seconds for which values are kept; None for ever.
    """

    scope: Literal["request", "session"]
    key_fields: tuple[str, ...] = ()
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node: its settings in the flow, and sample values that fit its ports.

    Attributes:
        id: the node's id.
        inputs: by port, values that fit.
        outputs: by port, values that fit.
        context: fields that the node reads parts of, beside those of every request.
        timeout_ms: milliseconds for an attempt; None where the checks leave its failures out.
        attempts: attempts in all.
        backoff_ms: the bound of the first pause; each further bound is twice the last.
        requires: context fields without which the node does not start.
        error_port: the port that delivers a failure; None where it travels on.
        error_type: the form of what it delivers: ``object``, or the reason or a list, by its type.
        defaults: by port, what is delivered where the node says nothing for it.
        fallback_on: kinds of failure that the fallback answers to; empty without one.
        fallback: by port, the static response.
        fallback_model: name of the model that is asked then.
        invalid_inputs: by port, a value that its schema refuses.
        invalid_outputs: by port, a value that its schema refuses.
        model: name of the model that a prompt asks.
        completion: what the model answers so that the node gives ``outputs``.
        invalid_completion: an answer that the prompt's schema refuses.
        prompt_holds: texts that are in the rendered prompt for ``inputs``.
        method: how the node uses its edge: ``read``, ``write``, ``get_model``, ``get``,
            ``post``.
        arguments: what goes over the edge for ``inputs``, by name.
        answer: what the edge answers so that the node gives ``outputs``.
        runs: whether the node's own work gives ``outputs`` for ``inputs``.
        row_optional: whether a missing row gives no outputs, rather than an error.
        state: the node's state.
        concurrency: executions at once.
        cache_s: seconds for which a result stands.
        other_inputs: by port, another value that fits.
        reads: the context fields that a result depends on.
    """

    id: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    timeout_ms: int | None = None
    attempts: int = 1
    backoff_ms: int = 1_000
    requires: tuple[str, ...] = ()
    error_port: str | None = None
    error_type: str = "object"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fallback_on: tuple[FailureKind, ...] = ()
    fallback: Mapping[str, Any] | None = None
    fallback_model: str | None = None
    invalid_inputs: Mapping[str, Any] = field(default_factory=dict)
    invalid_outputs: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    completion: str | None = None
    invalid_completion: str | None = None
    prompt_holds: tuple[str, ...] = ()
    method: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    answer: Any = None
    runs: bool = False
    row_optional: bool = False
    state: StateFacts | None = None
    concurrency: int | None = None
    cache_s: float | None = None
    other_inputs: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.id
