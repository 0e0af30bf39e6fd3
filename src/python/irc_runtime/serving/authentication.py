"""The check of tokens at the server's door, where the environment asks for one.

Everything needs a token then but health, readiness and metrics. PyJWT is imported only then.
"""

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]  # its stubs are another package
from fastapi import Response
from grpc.aio import ServerInterceptor  # type: ignore[import-untyped]  # as above

from irc_runtime.errors import AgentError, LoadError
from irc_runtime.serving.answers import (
    AnswerError,
    Application,
    Receive,
    Scope,
    Send,
    content_of,
)
from irc_runtime.serving.claims import UnauthenticatedError, verified

if TYPE_CHECKING:
    from irc_runtime.serving.token_check import TokenCheck

ISSUER, AUDIENCE, JWKS_URL = VARIABLES = ("IRC_JWT_ISSUER", "IRC_JWT_AUDIENCE", "IRC_JWT_JWKS_URL")

#: Hosts whose keys may come in plain text: they do not leave the pod.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

#: What may be read without a token.
OPEN_PATH = re.compile(
    r"/|/metrics|/v1/models/[^/]+|/v2/health/(live|ready)|/v2/models/[^/]+/ready"
)
OPEN_METHODS = frozenset({"ServerLive", "ServerReady", "ModelReady"})


def token_check() -> "TokenCheck | None":
    """The check that the environment asks for, with its keys; None where it asks for none.

    Raises:
        LoadError: some of the variables are missing, or the keys cannot be had.
    """
    issuer, audience, url = (os.environ.get(name, "") for name in VARIABLES)
    if not (issuer or audience or url):
        return None
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise LoadError(f"tokens cannot be checked without {' and '.join(missing)}")
    address = urlsplit(url)
    if address.scheme != "https" and not (
        address.scheme == "http" and address.hostname in LOOPBACK
    ):
        raise LoadError(f"{JWKS_URL} has to begin with https://, but on the loopback")
    from irc_runtime.serving.token_check import TokenCheck
    from irc_runtime.serving.token_keys import Keys

    keys = Keys(url)
    keys.load()
    return TokenCheck(issuer, audience, keys)


class RequireToken:
    """ASGI middleware: a request without a token that holds is answered before its body is read."""

    def __init__(self, app: Application, check: "TokenCheck") -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its claims, or refuse it."""
        if scope["type"] == "http" and not _is_open(scope):
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in scope["headers"]
            ]
            try:
                verified.set(await self._check.claims(_authorizations(headers)))
            except AgentError as error:
                await _refusal(error, scope["path"], dict(headers))(scope, receive, send)
                return
        await self._app(scope, receive, send)


class RequireTokenOverGrpc(ServerInterceptor):  # type: ignore[misc]  # as above
    """The same for gRPC, whose metadata are the headers."""

    def __init__(self, check: "TokenCheck") -> None:
        self._check = check

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Pass the call on with its claims, or refuse it."""
        if handler_call_details.method.rpartition("/")[2] not in OPEN_METHODS:
            metadata = [(item.key, item.value) for item in handler_call_details.invocation_metadata]
            try:
                verified.set(await self._check.claims(_authorizations(metadata)))
            except AgentError as error:
                return _abort(AnswerError(error, dict(metadata)))
        return await continuation(handler_call_details)


def _is_open(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and bool(OPEN_PATH.fullmatch(scope["path"]))


def _authorizations(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [value for name, value in headers if name == "authorization"]


def _refusal(error: AgentError, path: str, headers: Mapping[str, str]) -> Response:
    refused = AnswerError(error, headers)
    content = content_of(refused, path)
    answer = Response(content, refused.http_status, refused.headers, "application/json")
    if isinstance(error, UnauthenticatedError):
        answer.headers["www-authenticate"] = error.challenge
    return answer


def _abort(answer: AnswerError) -> Any:
    """A handler in the place of the one that was called."""

    async def abort(request: Any, context: Any) -> None:
        await context.abort(answer.status_code, answer.details)

    return grpc.unary_unary_rpc_method_handler(abort)
