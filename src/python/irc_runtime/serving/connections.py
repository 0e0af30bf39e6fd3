"""uvicorn's connections, and what they lack.

uvicorn lets a request run on when its caller is gone, and waits without end for one that does not
come, or does not read: with httptools it bounds neither the size of a request's head nor the time that
it takes.
"""

import asyncio
from contextvars import Context
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from irc_runtime.errors import AgentError, RequestError
from irc_runtime.serving.answers import LINGER_S, AnswerError, ServerError

#: Bytes of a request's head: its line and its headers.
MAX_HEAD_BYTES = 64 * 1024


#: Seconds for which a new connection is taken to bring a request.
EXPECT_S = 1.0


class HeadTooLargeError(Exception):
    """A request's head is larger than a connection takes."""


class Connection(HttpToolsProtocol):
    """A connection whose requests end with their callers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._incomplete_since: float | None = self.loop.time()
        self._unread_since: float | None = None
        self._head_bytes = 0
        self._large = self._too_large = self._refused = False
        self._running: tuple[asyncio.Task[None], Any] | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, and note whether all of it is there."""
        if self._refused:
            return
        self._large = len(data) > MAX_HEAD_BYTES
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:  # the head is complete
            self._head_bytes = 0
            if not cycle.more_body:
                self._incomplete_since = None
                return
        else:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_head_too_large())
                return
        if self._incomplete_since is None:
            self._incomplete_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Begin the request, unless its head came in one large piece and is too large."""
        if self._large:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                self._too_large = True
                raise HeadTooLargeError
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Note that the caller does not read what is written."""
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._unread_since = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request whose caller is gone."""
        super().connection_lost(exc)
        self._cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; bytes may have come after a response that closes."""
        too_large = _head_too_large()
        self._refuse(too_large if self._too_large else RequestError("this is not HTTP"))

    def end_overdue(self, timeout_s: float) -> None:
        """Refuse a request that has not arrived in time; one that has not begun gets no answer.

        A caller that has left an answer unread for as long is cut off.
        """
        latest = self.loop.time() - timeout_s
        if self._unread_since is not None and self._unread_since < latest:
            self.transport.abort()
            return
        since = self._incomplete_since
        if since is None or since > latest:
            return
        if self.flow.read_paused:  # it is this side that does not read
            self._incomplete_since = self.loop.time()
        elif self.scope is None:
            self.transport.close()
        else:
            self._refuse(ServerError("the request did not arrive in time", "too_slow", 408))

    def end_idle(self) -> None:
        """Close the connection, unless a request is under way, with which it will close, or comes."""
        if self.cycle is not None and not self.cycle.response_complete and not self._refused:
            self.cycle.keep_alive = False
        elif not self._is_expecting():
            self.transport.close()

    def _is_expecting(self) -> bool:
        """Whether a request is arriving; what comes with a new connection may not be read yet."""
        since = self._incomplete_since
        is_new = since is not None and self.loop.time() - since < EXPECT_S
        return is_new or self._head_bytes > 0

    def close_after_response(self) -> None:
        """Have the response that is under way say that the connection closes."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """As uvicorn's, which does not keep the task.

        One that was sent before the last was answered begins within that one's task, and is to know
        nothing of its context.
        """
        task = self.loop.create_task(cycle.run_asgi(app), context=Context())
        self._running = task, cycle
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _refuse(self, error: AgentError) -> None:
        """Answer without the application, where no response has begun, and close.

        Not at once: the system resets a connection that is closed with bytes unread, and the caller
        would not see the answer.
        """
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True  # as for uvicorn: nothing more is sent
        self._cancel()
        answer = AnswerError(error, None)
        body = orjson.dumps(answer.body)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(STATUS_LINE[answer.http_status] + head % len(body) + body)
        self._refused = True
        self._incomplete_since, self._head_bytes = None, 0
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _cancel(self) -> None:
        """End the request that is under way."""
        if self._running is not None:
            task, cycle = self._running
            if not cycle.response_complete:
                task.cancel()


def _head_too_large() -> ServerError:
    return ServerError(
        f"the request's head is larger than {MAX_HEAD_BYTES} bytes", "head_too_large", 431
    )
