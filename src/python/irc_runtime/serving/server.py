"""KServe's server for an agent: what it is made of, and its life from the first request to the last."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import kserve  # type: ignore[import-untyped]  # it says nothing of its types
from kserve.errors import InvalidInput, ModelNotFound  # type: ignore[import-untyped]  # as above
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]  # as above
from kserve.protocol.model_repository_extension import (  # type: ignore[import-untyped]  # as above
    ModelRepositoryExtension,
)

from irc_runtime import tracing
from irc_runtime.agent import Agent
from irc_runtime.errors import RequestError, public_reason, raised_at
from irc_runtime.events import ERROR, INFO, event
from irc_runtime.serving.admission import Admission
from irc_runtime.serving.answers import AnswerError, not_offered
from irc_runtime.serving.grpc_server import GrpcServer
from irc_runtime.serving.options import Limits
from irc_runtime.serving.rest import CANCEL_S, POLL_S, RestServer
from irc_runtime.serving.watchdog import Watchdog

if TYPE_CHECKING:
    from irc_runtime.serving.token_check import TokenCheck

#: Seconds in which connections to models and stores are closed at the end.
CLOSE_S = 5.0

#: Seconds for requests under way when another process has taken over.
HAND_OVER_GRACE_S = 300.0

#: Seconds beyond all the others after which the process is ended without regard.
LAST_S = 1.0


class AgentDataPlane(DataPlane):  # type: ignore[misc]  # kserve says nothing of its types
    """KServe's data plane, with refusals in the agent's form and a readiness that means it."""

    def __init__(self, admission: Admission, **options: Any) -> None:
        super().__init__(**options)
        self._admission = admission

    def decode(self, body: Any, headers: Any, *options: Any, **named: Any) -> Any:
        """As KServe's; a body that is no JSON, or no tensors, raises AnswerError."""
        try:
            return super().decode(body, headers, *options, **named)
        except InvalidInput as error:
            raise AnswerError(RequestError(error.reason), headers) from error
        except Exception as error:  # kserve raises what it likes on malformed tensors
            raise AnswerError(RequestError("the request cannot be read"), headers) from error

    async def ready(self) -> bool:
        """Whether new requests should come here: every model has all it needs, nothing is draining."""
        models = self.model_registry.get_models().values()
        return not self._admission.draining and all([await model.healthy() for model in models])

    async def model_ready(
        self, model_name: str, disable_predictor_health_check: bool = False
    ) -> bool:
        """As ``ready``; requests, for which KServe sets the flag, are answered while draining, and
        where something that not all nodes need is not there yet.

        Raises:
            ModelNotFound: there is no such model.
        """
        model = await self.get_model(model_name)
        if disable_predictor_health_check:
            return bool(model.ready)
        return not self._admission.draining and await model.healthy()

    async def get_model(self, name: str) -> Any:
        """The model of that name; KServe would load it in the middle of a request if it is not ready.

        Raises:
            ModelNotFound: there is none.
        """
        model = self.model_registry.get_model(name)
        if model is None:
            raise ModelNotFound(name)
        return model


class FixedModels(ModelRepositoryExtension):  # type: ignore[misc]  # as above
    """A repository without loading and unloading: anybody could take the agent out of service."""

    async def load(self, model_name: str) -> None:
        raise not_offered()

    async def unload(self, model_name: str) -> None:
        raise not_offered()


class AgentServer(kserve.ModelServer):  # type: ignore[misc]  # as above
    """KServe's model server with one agent, on sockets that are bound already.

    Args:
        agent: the agent, which is closed after the last request.
        limits: what the process bears.
        listener: the socket of REST, bound to ``http_port``.
        serving: called once it takes requests.
        linger_s: seconds that callers on open connections have to learn of it when the server hands
            over to another process; None where it never does.
        options: as ``kserve.ModelServer`` takes them.

    Attributes:
        tokens: the check of tokens, where requests have to bring one.
    """

    def __init__(
        self,
        agent: Agent,
        limits: Limits,
        listener: socket.socket,
        serving: Callable[[], None],
        grpc_max_send_message_length: int,
        linger_s: float | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._agent = agent
        self._limits = limits
        self._listener = listener
        self._serving = serving
        self._max_send_bytes = grpc_max_send_message_length
        self._admission = Admission(limits)
        self.dataplane = AgentDataPlane(self._admission, model_registry=self.registered_models)
        self.model_repository_extension = FixedModels(model_registry=self.registered_models)
        self.tokens: TokenCheck | None = None
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._delay_s = 0.0
        self._grace_s = limits.drain_grace_s
        self._linger_s = linger_s

    def start(self, models: list[kserve.Model]) -> int:
        """Serve models that are loaded until a signal says to stop.

        Returns:
            How many requests were not finished in the time that there was for it.
        """
        self._register_and_check_atleast_one_model_is_ready(models)
        self._rest_server = RestServer(
            *(self._listener, self._admission, self._limits, self._announce),
            *(self.dataplane, self.model_repository_extension, self.http_port),
            access_log_format=self.access_log_format,
            event_loop=self.event_loop,
            timeout_keep_alive=self.timeout_keep_alive,
            ssl_certfile=self.ssl_certfile,
            ssl_keyfile=self.ssl_keyfile,
            tokens=self.tokens,
        )
        self._grpc_server = GrpcServer(
            self._admission,
            self._limits.max_request_bytes,
            self._max_send_bytes,
            port=self.grpc_port,
            data_plane=self.dataplane,
            model_repository_extension=self.model_repository_extension,
            tokens=self.tokens,
            linger_s=self._linger_s,
        )
        factory = self._rest_server.config.get_loop_factory()
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(self._serve())

    def default_exception_handler(
        self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        """Report what nobody waited for, without what the exception says."""
        error = context.get("exception")
        event(
            ERROR,
            "unhandled_error",
            agent=self._agent.name,
            message=context["message"],
            exception=type(error).__name__ if error else None,
            raised_at=raised_at(error) if error else None,
        )

    def _announce(self) -> None:
        grpc_port = self.grpc_port if self.enable_grpc else None
        event(
            INFO, "serving", agent=self._agent.name, http_port=self.http_port, grpc_port=grpc_port
        )
        self._watchdog.start()  # before, imports take their time
        self._serving()

    async def _serve(self) -> int:
        self.setup_event_loop()
        self.loop = loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        self._watchdog = Watchdog(self._agent.name, self._limits.blocked_limit_s)
        try:
            if self.enable_grpc:
                await self._grpc_server.start(self.max_threads)
            rest = asyncio.create_task(self._rest_server.start())
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([rest, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not rest.done():
                await self._drain()
            await rest
        finally:
            await self._close()
            self._watchdog.stop()
        cancelled = int(self._rest_server.cancelled + self._grpc_server.cancelled)
        if cancelled:
            event(ERROR, "requests_cancelled", agent=self._agent.name, requests=cancelled)
        return cancelled

    async def _close(self) -> None:
        """Let the agent finish what it does in the background, give back its connections, and send
        the last spans."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._agent.close()
        except Exception as error:  # noqa: BLE001  # the process ends all the same
            event(ERROR, "close_failed", agent=self._agent.name, reason=public_reason(error))
        await asyncio.to_thread(tracing.shutdown)

    def _stop(self, number: int) -> None:
        """Begin to stop; a second SIGINT, as of somebody at a keyboard, waits for nothing more.

        A second SIGTERM changes nothing, as supervisors and groups of processes repeat it; but what
        hands over has no more time from then on than any other.
        """
        if not self._stopping.is_set():
            self._delay_s = self._limits.drain_delay_s if number == signal.SIGTERM else 0.0
            self._stopping.set()
        elif number == signal.SIGINT:
            self._hurry.set()
        elif self._grace_s > self._limits.drain_grace_s:
            self.loop.call_later(self._limits.drain_grace_s, self._hurry.set)

    def hand_over(self) -> None:
        """Leave new connections to another process, which takes them by now, and stop.

        Callers on open connections are told to open others; requests under way are finished, for
        which they have longer than at SIGTERM, when there is no hurry.
        """
        if not self._stopping.is_set():
            self._rest_server.leave_port()
            if self.enable_grpc:
                self._grpc_server.leave_port()
            self._delay_s, self._grace_s = self._linger_s or 0.0, HAND_OVER_GRACE_S
            self._stopping.set()

    async def _drain(self) -> None:
        """Say that this server is not ready, wait until that is known, and finish what has come."""
        self._admission.draining = True
        self._rest_server.announce_end()
        event(INFO, "draining", agent=self._agent.name, delay_s=self._delay_s)
        last_s = longest_end_s(self._delay_s, self._grace_s)
        last = threading.Timer(last_s, _end_at_last, [self._agent.name])
        last.daemon = True
        last.start()
        try:
            async with asyncio.timeout(self._delay_s):
                await self._callers_gone_or_hurry()
        except TimeoutError:
            pass
        self._rest_server.stop(self._delay_s, self._grace_s, self._hurry)
        if self.enable_grpc:
            await self._grpc_server.drain(self._grace_s, self._hurry)

    async def _callers_gone_or_hurry(self) -> None:
        """Wait for somebody at a keyboard, or where the port is another's until no caller is left."""
        while not self._hurry.is_set():
            left_port = self._grace_s == HAND_OVER_GRACE_S and not self.enable_grpc
            if left_port and not self._rest_server.has_connections:
                return
            await asyncio.sleep(POLL_S)


def longest_end_s(delay_s: float, grace_s: float) -> float:
    """Seconds that may pass from a signal to the end of the process."""
    return delay_s + grace_s + CANCEL_S + CLOSE_S + tracing.FLUSH_S + LAST_S


def _end_at_last(agent: str) -> None:
    """End a process that something keeps: a thread that is not done, code that does not yield."""
    event(ERROR, "end_forced", agent=agent)
    os._exit(1)
