"""KServe's gRPC server for an agent: the V2 protocol, with the answers and limits of REST."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from grpc import aio  # type: ignore[import-untyped]  # its stubs are another package
from kserve import InferRequest  # type: ignore[import-untyped]  # it says nothing of its types
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc  # type: ignore[import-untyped]  # as above
from kserve.protocol.grpc.server import GRPCServer  # type: ignore[import-untyped]  # as above
from kserve.protocol.grpc.servicer import InferenceServicer  # type: ignore[import-untyped]  # as above

from irc_runtime.agent import DEADLINE_HEADER, limit_ms
from irc_runtime.errors import RequestError
from irc_runtime.serving import ports
from irc_runtime.serving.admission import Admission
from irc_runtime.serving.answers import ServerError, answer_of
from irc_runtime.serving.authentication import RequireTokenOverGrpc
from irc_runtime.serving.grpc_port import leave_to_the_last, renewal

if TYPE_CHECKING:
    from irc_runtime.serving.token_check import TokenCheck

#: gRPC's own deadline where the caller set none: years.
NO_DEADLINE_S = 10**8


#: Seconds without a new request after which gRPC's server is stopped, and those after which it is in
#: any case.
QUIET_S = 0.25
TURN_AWAY_S = 2.0


class AgentServicer(InferenceServicer):  # type: ignore[misc]  # kserve says nothing of its types
    """KServe's servicer; failures have the agent's form, as JSON in the status's details."""

    def __init__(self, admission: Admission, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._admission = admission
        self._stopped = False
        self._latest_s = 0.0
        self.under_way = 0

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # the protocol's name
        """Answer requests as tensors."""
        headers = {item.key: item.value for item in context.invocation_metadata()}
        self.under_way += 1
        try:
            if self._stopped:
                self._latest_s = asyncio.get_running_loop().time()
                raise ServerError("the server was stopped", "stopped", 503, retry_after_s=1)
            waited_s = await self._admission.enter()
            try:
                _bound(headers, context.time_remaining(), waited_s)
                tensors = self._tensors(request)
                response, _ = await self._data_plane.infer(request.model_name, tensors, headers)
                return response.to_grpc()
            finally:
                self._admission.leave()
        except Exception as error:  # noqa: BLE001  # the boundary: any failure is answered
            await _abort(context, error, headers)
        finally:
            self.under_way -= 1

    async def turn_away(self) -> None:
        """Answer new requests with UNAVAILABLE, until there are none: callers may send them elsewhere."""
        loop = asyncio.get_running_loop()
        self._stopped, self._latest_s = True, loop.time()
        ends = self._latest_s + TURN_AWAY_S
        while self._latest_s + QUIET_S > loop.time() < ends:
            await asyncio.sleep(QUIET_S / 5)

    def _tensors(self, request: Any) -> Any:
        """What a request says, as kserve has it.

        Raises:
            InvalidInput, RequestError: it is malformed.
        """
        self.validate_grpc_request(request)
        try:
            return InferRequest.from_grpc(request)
        except Exception as error:  # kserve raises what it likes on malformed tensors
            raise RequestError("the request cannot be read") from error

    async def ServerReady(self, request: Any, context: Any) -> Any:  # the protocol's name
        return await _answered(super().ServerReady, request, context)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # the protocol's name
        return await _answered(super().ModelReady, request, context)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # the protocol's name
        return await _answered(super().ModelMetadata, request, context)

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # as above
        return await _answered(super().RepositoryModelLoad, request, context)

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # as above
        return await _answered(super().RepositoryModelUnload, request, context)


class GrpcServer(GRPCServer):  # type: ignore[misc]  # as above
    """KServe's gRPC server without its line for each request.

    Several processes may listen on one port, as gRPC's library has it by default: so workers share
    one, and a version hands it over to the next.

    Attributes:
        cancelled: requests that were not finished at the end of the grace period.
    """

    def __init__(
        self,
        admission: Admission,
        max_request_bytes: int,
        max_send_bytes: int,
        *,
        tokens: "TokenCheck | None",
        linger_s: float | None,
        **options: Any,
    ) -> None:
        super().__init__(kwargs={}, **options)
        self._interceptors = () if tokens is None else (RequireTokenOverGrpc(tokens),)
        self._max_request_bytes = max_request_bytes
        self._max_send_bytes = max_send_bytes
        self._servicer = AgentServicer(
            admission, self._data_plane, self._model_repository_extension
        )
        self._linger_s = linger_s
        self.cancelled = 0

    async def start(self, max_workers: int) -> None:
        """Listen.

        Raises:
            PortError: the port cannot be had.
        """
        self._server = aio.server(
            ThreadPoolExecutor(max_workers),
            interceptors=self._interceptors,
            options=[
                ("grpc.max_receive_message_length", self._max_request_bytes),
                ("grpc.max_send_message_length", self._max_send_bytes),
                *([] if self._linger_s is None else [renewal(self._linger_s)]),
            ],
        )
        grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
            self._servicer, self._server
        )
        try:
            self._server.add_insecure_port(f"[::]:{self._port}")
        except RuntimeError:  # which says nothing of the reason
            taken = OSError(errno.EADDRINUSE, "")
            raise ports.PortError(ports.grpc(self._port), taken) from None
        await self._server.start()

    def leave_port(self) -> None:
        """Take no more connections; they are those of another process that listens on the port."""
        leave_to_the_last(self._port)

    async def drain(self, grace_s: float, hurry: asyncio.Event) -> None:
        """Take no more requests, and finish those under way in the time there is.

        gRPC's library cancels what has arrived and not begun when its server stops, which callers
        cannot tell from what was begun; so none should be there by then.
        """
        await self._servicer.turn_away()
        ending = asyncio.create_task(self._server.stop(2 * grace_s))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait([ending, hurried], timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ending.done():
            self.cancelled = self._servicer.under_way
            await self._server.stop(None)
        await ending


def _bound(headers: dict[str, Any], remaining_s: float | None, waited_s: float) -> None:
    """Have gRPC's own deadline bound the request, as the header of a proxy does."""
    given_ms = limit_ms(headers.get(DEADLINE_HEADER, ""))
    limits_ms = [] if given_ms is None else [given_ms - round(waited_s * 1000)]
    if remaining_s is not None and remaining_s < NO_DEADLINE_S:
        limits_ms.append(round(remaining_s * 1000))
    if limits_ms:
        headers[DEADLINE_HEADER] = str(max(1, min(limits_ms)))


async def _answered(
    method: Callable[[Any, Any], Awaitable[Any]], request: Any, context: Any
) -> Any:
    try:
        return await method(request, context)
    except Exception as error:  # noqa: BLE001  # the boundary: any failure is answered
        await _abort(context, error, {})


async def _abort(context: Any, error: Exception, headers: dict[str, Any]) -> None:
    answer = answer_of(error, headers)
    await context.abort(answer.status_code, answer.details)
