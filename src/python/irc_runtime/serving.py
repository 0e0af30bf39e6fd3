"""Serving an agent with KServe's model server, as ``python -m flows.support.agent`` does.

``Agent`` is not itself a ``kserve.Model``, as importing kserve takes more than a second, which
tests of nodes should not pay; ``AgentModel`` is the model that KServe serves.

For the V1 protocol see ``v1`` and ``event_stream``, for V2 ``tensors``. Errors are objects with KServe's ``error`` text
and, beside it, type, reason, node, location and trace id.
"""

import argparse
import asyncio
import logging.config
from collections.abc import Mapping
from typing import Any

import kserve  # type: ignore[import-untyped]  # it says nothing of its types
import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from grpc import StatusCode  # type: ignore[import-untyped]  # its stubs are another package
from grpc_interceptor.exceptions import GrpcException
from kserve import InferRequest, model_server
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]

from irc_runtime import ports, v1
from irc_runtime.agent import Agent
from irc_runtime.context import new_trace, trace_of
from irc_runtime.errors import AgentError, LoadError, RequestError, response_body
from irc_runtime.event_stream import EventStreamHeaders, event_stream, wants_events
from irc_runtime.events import ERROR, INFO, event
from irc_runtime.tensors import requests_of, response_of

#: KServe's per-request log lines cost a third of the throughput, so its loggers start at warnings.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "irc_runtime.events.JsonLines"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "json",
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "irc": {"level": "INFO"},
        "py.warnings": {"level": "ERROR"},
        # A handler of its own keeps kserve from installing its defaults.
        "kserve": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "kserve.trace": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}

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


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, AnswerError):  # FastAPI's own, which would quote the request
        refused = RequestError("the request does not follow the V2 protocol")
        error = AnswerError(refused, request.headers)
    return Response(
        orjson.dumps(error.body), status_code=error.http_status, media_type="application/json"
    )


# Here, and not in serve(), as each of several worker processes has an application of its own.
for _kind in (AnswerError, RequestValidationError):
    model_server.app.add_exception_handler(_kind, _answer_error)
model_server.app.add_middleware(EventStreamHeaders)


class AgentModel(kserve.Model):  # type: ignore[misc]  # kserve says nothing of its types
    """An agent as a KServe model."""

    def __init__(self, agent: Agent, name: str | None = None) -> None:
        super().__init__(name or agent.name, return_response_headers=True)
        self.agent = agent

    def load(self) -> bool:
        """Load the agent; the model is ready when that has succeeded."""
        self.ready = self.agent.load()
        return self.ready

    def start(self) -> None:
        """Do nothing: readiness is what ``load`` says, not that the server started."""

    def validate(self, payload: Any) -> Any:
        """Take the payload as it is: ``predict`` says what is wrong with it."""
        return payload

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to a worker process as a name, to be loaded there: connections do not travel."""
        return _load_in_worker, (type(self.agent), self.name)

    async def predict(
        self,
        payload: Any,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """Answer one request, or all those in ``instances`` or in tensors, side by side.

        Raises:
            AnswerError: a request failed; of several, the first in order.
        """
        agent = self.agent
        try:
            if isinstance(payload, InferRequest):
                requests = requests_of(payload)
                return response_of(payload, await v1.answer_all(agent, requests, headers))
            if isinstance(payload, bytes):  # of another content type, as curl sends it unasked
                payload = v1.parsed(payload)
            if wants_events(headers):
                asked, several = v1.requests_of(agent, payload)
                return event_stream(agent, asked, headers, several=several)
            return _answer(await v1.answer(agent, payload, headers), response_headers)
        except AgentError as error:
            raise AnswerError(error, headers) from error


def _load_in_worker(agent_type: type[Agent], name: str) -> AgentModel:
    configure_logging()
    model = AgentModel(agent_type(), name)
    model.load()
    return model


def _answer(output: Any, response_headers: dict[str, str] | None) -> Any:
    """What kserve sends as JSON: it would send text as it is, so text is made JSON here."""
    if isinstance(output, str):
        if response_headers is not None:
            response_headers["content-type"] = "application/json"
        return orjson.dumps(output)
    return output


class AgentDataPlane(DataPlane):  # type: ignore[misc]  # as above
    """KServe's decoding, with refusals in the agent's form."""

    def decode(self, body: Any, headers: Any, *options: Any, **named: Any) -> Any:
        """As KServe's; a body that is no JSON raises AnswerError."""
        try:
            return super().decode(body, headers, *options, **named)
        except InvalidInput as error:
            raise AnswerError(RequestError(error.reason), headers) from error


class AgentServer(kserve.ModelServer):  # type: ignore[misc]  # as above
    """KServe's server; says when it listens, and closes the agent after the last request."""

    def __init__(self, agent: Agent, **options: Any) -> None:
        super().__init__(**options)
        self.dataplane = AgentDataPlane(model_registry=self.registered_models)
        self._agent = agent

    @property
    def ports(self) -> list[ports.Port]:
        """What this process listens on; several workers share what it has bound."""
        grpc = [ports.grpc(self.grpc_port)] if self.enable_grpc else []
        return [ports.http(self.http_port), *grpc]

    async def _serve(self) -> None:
        announcement = asyncio.create_task(self._announce())
        try:
            await super()._serve()
        finally:
            announcement.cancel()
            await self._agent.close()

    async def _announce(self) -> None:
        await ports.listening(self.ports)
        grpc_port = self.grpc_port if self.enable_grpc else None
        event(
            INFO, "serving", agent=self._agent.name, http_port=self.http_port, grpc_port=grpc_port
        )


def configure_logging() -> None:
    """Write events, and what kserve and uvicorn have to say, as JSON lines to stderr."""
    logging.config.dictConfig(LOGGING)
    logging.captureWarnings(True)


def serve(agent: Agent, arguments: list[str] | None = None) -> None:
    """Load an agent and serve it until SIGTERM, on which requests under way are finished.

    The command line takes KServe's own flags (``--http_port``, ``--workers``, …); two have other
    defaults: the model's name is the flow's, and latencies are not logged for each request.
    Where a port cannot be had or loading fails, the process says why in one event and ends with
    status 1.
    """
    parser = argparse.ArgumentParser(
        prog=agent.name,
        description=f"Serve {agent.name} ({agent.source}).",
        parents=[model_server.parser],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(model_name=agent.name, enable_latency_logging=False)
    options = parser.parse_args(arguments)
    configure_logging()
    server = AgentServer(
        agent,
        http_port=options.http_port,
        grpc_port=options.grpc_port,
        workers=options.workers,
        max_threads=options.max_threads,
        max_asyncio_workers=options.max_asyncio_workers,
        enable_grpc=options.enable_grpc,
        enable_latency_logging=options.enable_latency_logging,
        access_log_format=options.access_log_format,
        event_loop=options.event_loop,
        timeout_keep_alive=options.timeout_keep_alive,
        ssl_certfile=options.ssl_certfile,
        ssl_keyfile=options.ssl_keyfile,
    )
    try:
        ports.try_ports(server.ports)
    except ports.PortError as error:
        name = "port_taken" if error.taken else "port_refused"
        port, hint = error.port.number, error.port.hint
        event(ERROR, name, agent=agent.name, port=port, reason=error.reason, hint=hint)
        raise SystemExit(1) from None
    model = AgentModel(agent, options.model_name)
    try:
        model.load()
    except LoadError as error:
        event(ERROR, "load_failed", agent=agent.name, source=agent.source, reason=error.reason)
        raise SystemExit(1) from None
    server.start([model])
    event(INFO, "stopped", agent=agent.name)
