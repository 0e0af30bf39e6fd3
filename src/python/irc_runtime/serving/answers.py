"""Failures as answers: objects with KServe's ``error`` text and type, reason, node, location and trace id."""

from collections.abc import Mapping

import orjson
from fastapi import Request, Response
from grpc import StatusCode  # type: ignore[import-untyped]  # its stubs are another package
from grpc_interceptor.exceptions import GrpcException

from irc_runtime.context import new_trace, trace_of
from irc_runtime.errors import AgentError, RequestError, response_body

#: HTTP statuses as gRPC has them; others are INTERNAL.
GRPC_STATUSES = {400: StatusCode.INVALID_ARGUMENT, 504: StatusCode.DEADLINE_EXCEEDED}


class AnswerError(GrpcException):
    """An agent's failure as an answer: a JSON body over REST, a status over gRPC.

    Its trace id is the error's own; a request that was refused before it had one has that of its
    ``traceparent`` header, or a new one.
    """

    def __init__(self, error: AgentError, headers: Mapping[str, str] | None) -> None:
        self.http_status = error.status
        trace_id = error.trace_id or trace_of(headers) or new_trace()
        self.body = response_body(error, {"trace_id": trace_id})
        super().__init__(
            status_code=GRPC_STATUSES.get(error.status, StatusCode.INTERNAL),
            details=orjson.dumps(self.body).decode(),
        )


async def answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, AnswerError):  # FastAPI's own, which would quote the request
        refused = RequestError("the request does not follow the V2 protocol")
        error = AnswerError(refused, request.headers)
    return Response(
        orjson.dumps(error.body), status_code=error.http_status, media_type="application/json"
    )
