"""KServe's server for an agent: its application, decoding, and life."""

import asyncio
from typing import Any

import kserve  # type: ignore[import-untyped]  # it says nothing of its types
from fastapi.exceptions import RequestValidationError
from kserve import model_server
from kserve.errors import InvalidInput  # type: ignore[import-untyped]
from kserve.protocol.dataplane import DataPlane  # type: ignore[import-untyped]

from irc_runtime.agent import Agent
from irc_runtime.errors import RequestError
from irc_runtime.events import INFO, event
from irc_runtime.serving import ports
from irc_runtime.serving.answers import AnswerError, answer_error
from irc_runtime.serving.event_stream import EventStreamHeaders

# Here, and not in serve(), as each of several worker processes has an application of its own.
for _kind in (AnswerError, RequestValidationError):
    model_server.app.add_exception_handler(_kind, answer_error)
model_server.app.add_middleware(EventStreamHeaders)


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
