"""What can go wrong while an agent runs, as one hierarchy of exceptions.

Each exception says in ``reason`` what happened without quoting a request, a feature or a model's
answer, so that ``reason`` may stand in a log and in a response. ``type`` is the short name by which
flows, tests and dashboards tell failures apart; ``retryable`` says whether a second attempt can
succeed; ``status`` is the HTTP status that a caller of the agent gets.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from irc_runtime.tracebacks import flow_line, innermost

#: What a second attempt cannot mend: a missing key and mistakes in the code itself.
HOPELESS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
)


#: The kinds of failure that flows tell apart; all others are ``error``.
KINDS = ("timeout", "validation_fail")


class AgentError(Exception):
    """The root of the hierarchy."""

    type: str = "error"
    retryable: bool = False
    status: int = 500
    #: Seconds that the other side asked to be left alone, where it did.
    retry_after_s: float | None = None
    #: The trace of the request that failed, where it got as far as having one.
    trace_id: str | None = None

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LoadError(AgentError):
    """The agent cannot be made ready: configuration is missing or wrong."""

    type = "load"


class RequestError(AgentError):
    """The request cannot be served as it stands; ``missing`` names the fields it lacks."""

    type = "bad_request"
    status = 400

    def __init__(self, reason: str, missing: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.missing = tuple(missing)
        if missing:
            self.type = "missing_fields"


class MissingContextError(AgentError):
    """A node needs a context field that the request does not hold."""

    type = "missing_context"
    status = 400


class CancelledWorkError(AgentError):
    """What a node waited for was cancelled, though nobody cancelled the node."""

    retryable = True

    def __init__(self) -> None:
        super().__init__("what it waited for was cancelled")


class InvalidInputError(AgentError):
    """A value that enters a node does not fit the port's schema."""

    type = "invalid_input"


class ValidationFailedError(AgentError):
    """A value that leaves a node, or a model's answer, does not fit its schema."""

    type = "validation_fail"
    retryable = True


class PromptError(AgentError):
    """A prompt cannot be rendered: a value it reads is not there."""

    type = "prompt"


class ModelError(AgentError):
    """A model did not answer; ``response_status`` is its server's status, where it sent one."""

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool,
        type: str = "error",
        response_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.type = type
        self.response_status = response_status
        self.retry_after_s = retry_after_s


class HttpError(AgentError):
    """A web service did not answer, or did with an error; ``response_status`` is its status."""

    type = "http"

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool,
        response_status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.response_status = response_status
        self.retry_after_s = retry_after_s


class FeatureStoreError(AgentError):
    """The feature store cannot do what was asked."""

    type = "features"

    def __init__(
        self, reason: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class RowNotFoundError(AgentError):
    """The feature store holds no row for the key, at or before the instant asked for."""

    type = "row_not_found"


class StateError(AgentError):
    """State cannot be read or kept."""

    type = "state"

    def __init__(self, reason: str, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.retryable = retryable


class EdgeError(AgentError):
    """A value cannot cross an edge: a cast does not apply to it, or the edge's expression fails.

    Args:
        reason: what is wrong, without content.
        location: where the flow defines the edge, as ``flow.yaml:61``, where that is known.
        detail: what is wrong in full.
    """

    type = "edge"

    def __init__(self, reason: str, location: str | None = None, detail: str | None = None) -> None:
        super().__init__(reason)
        self.location = location
        self.detail = detail or reason

    def __str__(self) -> str:
        return f"{self.location}: {self.detail}" if self.location else self.detail


class NoOutputError(AgentError):
    """Nothing was delivered to the flow's output; ``conditions`` are the ones that failed."""

    type = "no_output"

    def __init__(self, conditions: Sequence[str] = ()) -> None:
        self.conditions = tuple(conditions)
        because = "; ".join(conditions) or "no branch that leads to it was taken"
        super().__init__(f"nothing was delivered to the output: {because}")


class FlowError(AgentError):
    """The code between the nodes failed: a condition, or an expression on an edge."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(public_reason(cause))
        self.detail = full_reason(cause)

    def __str__(self) -> str:
        return self.detail


class NodeError(AgentError):
    """A node failed for good: every attempt that made sense was made, and there is no fallback.

    Args:
        node: id of the node.
        location: the line of the flow, or of a template, that failed, where it is known; otherwise
            that of the node, as ``flow.yaml:12``.
        cause: what the last attempt failed with.
        attempts: number of attempts made, at least 1.
        fallback_available: whether the node has a fallback, for whatever kind of failure.
    """

    def __init__(
        self,
        node: str,
        location: str,
        cause: BaseException,
        attempts: int = 1,
        *,
        fallback_available: bool = False,
    ) -> None:
        super().__init__(public_reason(cause))
        self.node = node
        self.location = location
        self.attempts = attempts
        self.fallback_available = fallback_available
        self.detail = full_reason(cause)
        self.type = error_type(cause)
        if self.type == "timeout":
            self.status = 504
        elif isinstance(cause, MissingContextError):
            self.status = cause.status

    def __str__(self) -> str:
        return f"{self.location}: node '{self.node}' failed ({self.type}): {self.detail}"

    @property
    def kind(self) -> str:
        """The failure as a prompt's ``fallback.on`` names it: timeout, validation_fail or error."""
        return self.type if self.type in KINDS else "error"

    def as_port(self) -> dict[str, Any]:
        """The value that the node's error port delivers."""
        return port_value(self)


def port_value(error: AgentError) -> dict[str, Any]:
    """Any failure in the shape of an error port's value; ``node`` is None when no node failed."""
    return {
        "reason": getattr(error, "detail", error.reason),
        "type": error.type,
        "node": getattr(error, "node", None),
        "attempts": getattr(error, "attempts", 1),
        "fallback_available": getattr(error, "fallback_available", False),
    }


def error_type(cause: BaseException) -> str:
    """The short name of a failure; exceptions of other code are ``timeout`` or ``error``."""
    if isinstance(cause, AgentError):
        return cause.type
    return "timeout" if isinstance(cause, TimeoutError) else "error"


def failure_kind(cause: BaseException) -> str:
    """A failure as a prompt's ``fallback.on`` and metrics name it: one of KINDS, or ``error``."""
    kind = error_type(cause)
    return kind if kind in KINDS else "error"


def is_retryable(cause: BaseException) -> bool:
    """Whether another attempt can succeed; an exception's own ``retryable`` attribute decides."""
    retryable = getattr(cause, "retryable", None)
    if isinstance(retryable, bool):
        return retryable
    return not isinstance(cause, HOPELESS)


def full_reason(cause: BaseException) -> str:
    """What happened in full, for the flow itself: it may quote what the node worked on."""
    if isinstance(cause, AgentError):
        return getattr(cause, "detail", cause.reason)
    text = str(cause)
    if isinstance(cause, TimeoutError):
        return text or "timed out"
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def public_reason(cause: BaseException) -> str:
    """What happened, without content: of other code's exceptions only the class and the place."""
    if isinstance(cause, AgentError):
        return cause.reason
    if isinstance(cause, TimeoutError):
        return "timed out"
    place = raised_at(cause)
    return f"{type(cause).__name__} in {place}" if place else type(cause).__name__


def raised_at(error: BaseException) -> str | None:
    """Where an exception was raised: ``flows.support.priority:12``, ``flows/support/flow.yaml:71``.

    It is the innermost frame's module and line, or its line in the flow; of the agent's own errors
    the flow's line that led to them, where there is one.
    """
    line = flow_line(error) if isinstance(error, AgentError) else None
    if line is None and error.__traceback__ is not None:
        line = innermost(error.__traceback__)
    return line


def response_body(error: AgentError, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body of an error response: KServe's ``error`` text, and beside it the facts.

    Args:
        error: any failure of the agent.
        fields: what the caller of this function knows besides, such as the trace id.
    """
    body: dict[str, Any] = {"error": error.reason, "type": error.type, "reason": error.reason}
    for name in ("node", "location", "attempts", "missing", "conditions"):
        value = getattr(error, name, None)
        if value is not None and value != ():
            body[name] = list(value) if isinstance(value, tuple) else value
    if "node" in body:
        body["error"] = f"node '{body['node']}' failed: {error.reason}"
    return {**body, **fields}
