"""Failures as answers: objects with KServe's ``error`` text and type, reason, node, location and trace id."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from grpc import StatusCode  # type: ignore[import-untyped]  # its stubs are another package
from grpc_interceptor.exceptions import GrpcException
from kserve.errors import (  # type: ignore[import-untyped]  # it says nothing of its types
    InvalidInput,
    ModelNotFound,
    ModelNotReady,
    ServerNotLive,
    ServerNotReady,
)
from starlette.exceptions import HTTPException

from irc_runtime.context import new_trace, trace_of
from irc_runtime.errors import AgentError, FlowError, RequestError, response_body
from irc_runtime.serving import openai_errors

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: HTTP statuses as gRPC has them; others are INTERNAL.
GRPC_STATUSES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    413: StatusCode.RESOURCE_EXHAUSTED,
    501: StatusCode.UNIMPLEMENTED,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}

#: Seconds for which what a refused caller still sends is read, so that it can read the answer.
LINGER_S = 5.0

NOT_READY = (ModelNotReady, ServerNotReady, ServerNotLive)


class ServerError(AgentError):
    """The server, not the flow, refuses a request."""

    def __init__(
        self, reason: str, type: str, status: int, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.type = type
        self.status = status
        self.retry_after_s = retry_after_s


def not_offered() -> ServerError:
    """What KServe has and the agent does not."""
    return ServerError("the agent does not offer this", "not_implemented", 501)


class AnswerError(GrpcException):
    """An agent's failure as an answer: a JSON body over REST, a status over gRPC.

    Its trace id is the error's own; a request that was refused before it had one has that of its
    ``traceparent`` header, or a new one.
    """

    def __init__(self, error: AgentError, headers: Mapping[str, str] | None) -> None:
        self.http_status = error.status
        self.headers: dict[str, str] = {}
        if error.retry_after_s is not None and error.status == 503:
            self.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
        trace_id = error.trace_id or trace_of(headers) or new_trace()
        self.body = response_body(error, {"trace_id": trace_id})
        super().__init__(
            status_code=GRPC_STATUSES.get(error.status, StatusCode.INTERNAL),
            details=orjson.dumps(self.body).decode(),
        )


def answer_of(error: Exception, headers: Mapping[str, str] | None) -> AnswerError:
    """Any failure of a request as an answer; of other code's, nothing but class and place."""
    if isinstance(error, AnswerError):
        return error
    return AnswerError(_failure(error), headers)


def _failure(error: Exception) -> AgentError:
    """Failures of KServe, FastAPI and the code between as the agent's own."""
    match error:
        case AgentError():
            return error
        case InvalidInput():
            return RequestError(error.reason)
        case RequestValidationError():  # it would quote the request
            return RequestError("the request does not follow the V2 protocol")
        case ModelNotFound():
            return ServerError(error.reason, "model_not_found", 404)
        case NotImplementedError():  # kserve's, of versions and explanations
            return not_offered()
        case HTTPException(status_code=404):
            return ServerError("there is nothing at this path", "not_found", 404)
        case HTTPException(status_code=405):
            return ServerError("the path does not take this method", "method_not_allowed", 405)
        case HTTPException(status_code=400):
            return RequestError("the request cannot be read")
    if isinstance(error, NOT_READY):
        return ServerError("the agent is not ready", "not_ready", 503, retry_after_s=1)
    return FlowError(error)


def content_of(answer: AnswerError, path: str) -> bytes:
    """The body of an answer, in the form of the protocol that the path is for."""
    if path.startswith(openai_errors.PREFIX):
        return orjson.dumps(openai_errors.reshaped(answer.body, answer.http_status))
    return orjson.dumps(answer.body)


async def answer_error(request: Request, error: Exception) -> Response:
    """The answer to a request over REST that failed."""
    answer = answer_of(error, request.headers)
    headers = {**(getattr(error, "headers", None) or {}), **answer.headers}
    return Response(
        content_of(answer, request.scope["path"]),
        status_code=answer.http_status,
        headers=headers,
        media_type="application/json",
    )


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """A request's headers by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def send_error(scope: Scope, send: Send, error: AgentError, *, closing: bool) -> None:
    """Answer before, or in the place of, the application; what ends the response is left to send.

    Args:
        closing: whether the connection is closed with the response.
    """
    answer = AnswerError(error, headers_of(scope))
    body = content_of(answer, scope["path"])
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **answer.headers,
        **({"connection": "close"} if closing else {}),
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.http_status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def end_response(send: Send) -> None:
    """End a response whose body is sent."""
    await send({"type": "http.response.body", "body": b""})
