"""Failures in the form of OpenAI's API, so that its clients raise their own exceptions.

https://platform.openai.com/docs/guides/error-codes
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

from irc_runtime.context import new_trace, trace_of
from irc_runtime.errors import AgentError, ModelError, RequestError, response_body

#: Where everything that speaks this protocol is.
PREFIX = "/openai/"

RATE_LIMITED = 429

#: The status of a server that takes no request now: nothing was done.
UNAVAILABLE = 503


class ParameterError(RequestError):
    """A parameter of the request is missing, wrong, or not offered; ``param`` is its name."""

    def __init__(
        self, reason: str, param: str | None, code: str = "invalid_value", status: int = 400
    ) -> None:
        super().__init__(reason)
        self.param = param
        self.type = code
        self.status = status


def body(error: AgentError, trace_id: str) -> dict[str, Any]:
    """The body of an answer that is a failure."""
    param = getattr(error, "param", None)
    return reshaped(response_body(error, {"trace_id": trace_id}), status(error), param)


def reshaped(own: Mapping[str, Any], status: int, param: str | None = None) -> dict[str, Any]:
    """The agent's own error body in OpenAI's form: ``message``, ``type``, ``param`` and ``code``.

    ``code`` is the agent's type of the failure; node, location and the like stand beside it.
    """
    facts = {key: value for key, value in own.items() if key not in ("error", "reason", "type")}
    named = {"message": own["error"], "type": _type(status), "param": param, "code": own["type"]}
    return {"error": {**named, **facts}}


def response(error: AgentError, headers: Mapping[str, str]) -> Response:
    """The answer to a request that failed before anything was sent.

    OpenAI's clients ask again after 429 and 5xx. Once a flow has run, its nodes have made their
    attempts and may have had effects, so the answer says not to.
    """
    code = status(error)
    own = {} if code == UNAVAILABLE else {"x-should-retry": "false"}
    retry_after_s = _cause(error).retry_after_s
    if code in (UNAVAILABLE, RATE_LIMITED) and retry_after_s is not None:
        own["retry-after"] = str(max(1, round(retry_after_s)))
    trace_id = error.trace_id or trace_of(headers) or new_trace()
    content = orjson.dumps(body(error, trace_id))
    return Response(content, code, own, media_type="application/json")


def status(error: AgentError) -> int:
    """The HTTP status: the agent's, but 429 where the failure is that a model's server said so."""
    cause = _cause(error)
    if isinstance(cause, ModelError) and cause.response_status == RATE_LIMITED:
        return RATE_LIMITED
    return error.status


def _cause(error: AgentError) -> AgentError:
    """What a node failed with, where that is the agent's, too; else the failure itself."""
    return error.__cause__ if isinstance(error.__cause__, AgentError) else error


def _type(status: int) -> str:
    if status == RATE_LIMITED:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"
