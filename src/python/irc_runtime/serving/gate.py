"""What stands before KServe's application: limits of size and number, and the end of callers.

Pure ASGI. A request whose caller goes away is cancelled by its ``Connection``; what of it is left to
do here is to say nothing.
"""

import asyncio
from collections.abc import Callable

from irc_runtime.agent import DEADLINE_HEADER, limit_ms
from irc_runtime.errors import AgentError
from irc_runtime.serving.admission import Admission
from irc_runtime.serving.answers import (
    LINGER_S,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    ServerError,
    end_response,
    send_error,
)


class Gate:
    """ASGI middleware around all of the application.

    Args:
        guard: what requests pass before they wait for a place; made around what answers them.
    Attributes:
        ending: whether requests that are cancelled are so because the server's time is over.
    """

    def __init__(
        self,
        app: Application,
        admission: Admission,
        max_request_bytes: int,
        guard: Callable[[Application], Application] | None = None,
    ) -> None:
        self._app = app
        self._answer = self._pass_on if guard is None else guard(self._pass_on)
        self._admission = admission
        self._max_bytes = max_request_bytes
        self.ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, for as long as there is somebody to answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._admission.draining:
            send = _closing(send)
        try:
            await self._answer(scope, receive, send)
        except asyncio.CancelledError:
            if self.ending:
                stopped = ServerError("the server was stopped", "stopped", 503, retry_after_s=1)
                await _refuse(scope, send, stopped)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):  # probes and metrics do not wait
            await self._app(scope, receive, send)
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that has a body."""
        size = _content_length(scope)
        if size is not None and size > self._max_bytes:
            await self._refuse_body(scope, receive, send)
            return
        try:
            waited_s = await self._admission.enter()
        except AgentError as error:
            await _refuse(scope, send, error)
            return
        try:
            if waited_s:
                _shorten_deadline(scope, waited_s)
            if size is None:
                body = await _body(receive, self._max_bytes)
                if body is None:
                    await self._refuse_body(scope, receive, send)
                    return
                receive = _replayed(body, receive)
            await self._app(scope, receive, send)
        finally:
            self._admission.leave()

    async def _refuse_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 at once; what is still sent is read for a while, as callers send before they read."""
        reason = f"the request is larger than {self._max_bytes} bytes"
        await send_error(scope, send, ServerError(reason, "too_large", 413), closing=True)
        try:
            async with asyncio.timeout(LINGER_S):
                while (message := await receive())["type"] == "http.request":
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            pass
        await end_response(send)


async def _refuse(scope: Scope, send: Send, error: AgentError) -> None:
    """Answer with an error; a response that had begun is cut, as the server closes its connection."""
    try:
        await send_error(scope, send, error, closing=True)
    except RuntimeError:
        return
    await end_response(send)


def _content_length(scope: Scope) -> int | None:
    """The size that a request says it has, in bytes; None where it comes in chunks."""
    chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the parser has seen to that
        chunked = chunked or name == b"transfer-encoding"
    return None if chunked else 0


async def _body(receive: Receive, most: int) -> bytes | None:
    """A body that comes in chunks; None once it is larger than ``most``."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise asyncio.CancelledError  # the caller has gone
        chunks.append(message["body"])
        size += len(message["body"])
        if size > most:
            return None
        more = message["more_body"]
    return b"".join(chunks)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A channel that gives a body that was read, and then what the server has to say."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_again() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return receive_again


def _shorten_deadline(scope: Scope, waited_s: float) -> None:
    """Take what a request has waited from the time that its caller gives it."""
    name = DEADLINE_HEADER.encode()
    for number, (header, value) in enumerate(scope["headers"]):
        if header == name and (given_ms := limit_ms(value.decode("latin-1"))) is not None:
            left_ms = max(1, given_ms - round(waited_s * 1000))
            scope["headers"][number] = (name, str(left_ms).encode())


def _closing(send: Send) -> Send:
    """A channel whose response tells the caller that the connection ends with it."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_closing
