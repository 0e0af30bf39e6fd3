"""KServe's REST server for an agent: its application behind the gate, and an end that loses nothing."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from kserve import model_server  # type: ignore[import-untyped]  # it says nothing of its types
from kserve.constants.constants import (  # type: ignore[import-untyped]  # as above
    FASTAPI_APP_IMPORT_STRING,
)
from kserve.errors import InvalidInput, ModelNotFound  # type: ignore[import-untyped]  # as above
from kserve.protocol.rest.server import (  # type: ignore[import-untyped]  # as above
    RESTServer,
    _RefreshingServer,
)
from starlette.exceptions import HTTPException

from irc_runtime.errors import AgentError
from irc_runtime.serving import ports
from irc_runtime.serving.admission import Admission
from irc_runtime.serving.answers import NOT_READY, AnswerError, answer_error
from irc_runtime.serving.authentication import RequireToken
from irc_runtime.serving.connections import Connection
from irc_runtime.serving.event_stream import EventStreamHeaders
from irc_runtime.serving.gate import Gate
from irc_runtime.serving.options import Limits

if TYPE_CHECKING:
    from irc_runtime.serving.token_check import TokenCheck

#: Failures that a request over REST can meet outside of the agent.
FAILURES = (
    *(AnswerError, AgentError, RequestValidationError, HTTPException, InvalidInput, ModelNotFound),
    *(*NOT_READY, NotImplementedError, Exception),
)

#: Seconds after the call to stop before which connections without a request are not closed: a
#: caller that has just been answered sends the next one, and learns with its answer to send no more.
QUIET_S = 1.0

#: Seconds between two looks at connections that are to end.
POLL_S = 0.02

#: Seconds for requests that are cancelled at last.
CANCEL_S = 2.0


class RestServer(RESTServer):  # type: ignore[misc]  # kserve says nothing of its types
    """KServe's REST server on a socket that is bound already."""

    def __init__(
        self,
        listener: socket.socket,
        admission: Admission,
        limits: Limits,
        started: Callable[[], None],
        *arguments: Any,
        tokens: "TokenCheck | None",
        **options: Any,
    ) -> None:
        super().__init__(FASTAPI_APP_IMPORT_STRING, *arguments, **options)
        guard = None if tokens is None else partial(RequireToken, check=tokens)
        self.gate = Gate(model_server.app, admission, limits.max_request_bytes, guard)
        self._listener = listener
        config = self.config
        config.app, config.http, config.ws, config.proxy_headers = (
            self.gate,
            Connection,
            "none",
            False,
        )
        self._server = DrainingServer(config, self.gate, limits, started)

    def _add_middlewares(self, app: FastAPI) -> None:
        """Instead of KServe's, which log a line for each request."""
        app.add_middleware(EventStreamHeaders)

    def _add_exception_handlers(self, app: FastAPI) -> None:
        """Instead of KServe's, which quote and log what they should not."""
        for kind in FAILURES:
            app.add_exception_handler(kind, answer_error)

    async def start(self) -> None:
        """Serve until ``drain`` is called."""
        self.create_application()
        await self._server.serve([self._listener])

    def announce_end(self) -> None:
        """Have the responses under way say that their connections close."""
        for connection in self._server.connections:
            connection.close_after_response()

    def leave_port(self) -> None:
        """Take no more connections; they are another process's, which has the socket, too."""
        for server in self._server.servers:
            server.close()

    def stop(self, waited_s: float, grace_s: float, hurry: asyncio.Event) -> None:
        """Take no more connections, finish what is under way, and return from ``start``.

        Args:
            waited_s: seconds since ``announce_end``.
            grace_s: seconds for what is under way.
            hurry: once it is set, what is under way is cancelled.
        """
        self._server.quiet_s = QUIET_S - waited_s
        self._server.grace_s = grace_s
        self._server.hurry = hurry
        self._server.should_exit = True

    @property
    def has_connections(self) -> bool:
        """Whether a caller has a connection."""
        return bool(self._server.connections)

    @property
    def cancelled(self) -> int:
        """Requests that were cancelled at the end."""
        return self._server.cancelled


class DrainingServer(_RefreshingServer):  # type: ignore[misc]  # as above
    """uvicorn's server, which the agent's server starts and stops.

    Attributes:
        cancelled: requests that were not finished at the end of the grace period.
    """

    def __init__(
        self, config: Any, gate: Gate, limits: Limits, started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._gate = gate
        self._limits = limits
        self._started = started
        self.hurry = asyncio.Event()
        self.quiet_s = QUIET_S
        self.grace_s = limits.drain_grace_s
        self.cancelled = 0

    @property
    def connections(self) -> list[Connection]:
        """Those that are open."""
        return list(self.server_state.connections)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the agent's server."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so.

        Raises:
            PortError: something else has come to listen on the port.
        """
        try:
            await super().startup(sockets)
        except OSError as error:
            raise ports.PortError(ports.http(self.config.port), error) from None
        self._started()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: as uvicorn's; once a second, end requests that do not arrive."""
        if counter % 10 == 0:
            for connection in self.connections:
                connection.end_overdue(self._limits.receive_timeout_s)
        return bool(await super().on_tick(counter))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what has arrived, within the grace period."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for listener in sockets or []:
            await self._accept_waiting(listener)
        for server in self.servers:
            server.close()
        while (self.connections or self.server_state.tasks) and not self.hurry.is_set():
            elapsed_s = loop.time() - began
            if elapsed_s > self.grace_s:
                break
            for connection in self.connections:
                if elapsed_s > self.quiet_s:
                    connection.end_idle()
                else:
                    connection.close_after_response()
                connection.end_overdue(self._limits.receive_timeout_s)
            await asyncio.sleep(POLL_S)
        await self._cancel()
        await self.lifespan.shutdown()

    async def _accept_waiting(self, listener: socket.socket) -> None:
        """Take the connections that the kernel has made and nobody has taken: closing resets them."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            accepted.setblocking(False)
            await loop.connect_accepted_socket(self._connection, accepted, ssl=self.config.ssl)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    async def _cancel(self) -> None:
        """Cancel what is left, which is answered with 503 where its response has not begun."""
        self._gate.ending = True
        left = list(self.server_state.tasks)
        self.cancelled = len(left)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=CANCEL_S)
        for connection in self.connections:
            connection.transport.close()
