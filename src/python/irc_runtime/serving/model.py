"""An agent as a KServe model.

For the V1 protocol see ``v1`` and ``event_stream``, for V2 ``tensors``.
"""

from collections.abc import Mapping
from typing import Any

import kserve  # type: ignore[import-untyped]  # it says nothing of its types
import orjson
from kserve import InferRequest

from irc_runtime import v1
from irc_runtime.agent import Agent
from irc_runtime.errors import AgentError
from irc_runtime.serving.answers import AnswerError
from irc_runtime.serving.claims import admitted
from irc_runtime.serving.event_stream import event_stream, wants_events
from irc_runtime.serving.metrics import publish
from irc_runtime.serving.tensors import requests_of, response_of
from irc_runtime.serving.traces import start_traces


class AgentModel(kserve.Model):  # type: ignore[misc]  # kserve says nothing of its types
    """An agent as a KServe model."""

    def __init__(self, agent: Agent, name: str | None = None) -> None:
        super().__init__(name or agent.name, return_response_headers=True)
        self.agent = agent

    def load(self) -> bool:
        """Load the agent; the model is ready when that has succeeded."""
        start_traces(self.agent.name)
        publish(self.agent)
        self.ready = self.agent.load()
        return self.ready

    async def healthy(self) -> bool:
        """Whether new requests should come here: the agent is loaded, and has what its nodes need."""
        return bool(self.ready) and await self.agent.connected()

    def start(self) -> None:
        """Do nothing: readiness is what ``load`` says, not that the server started."""

    def validate(self, payload: Any) -> Any:
        """Take the payload as it is: ``predict`` says what is wrong with it."""
        return payload

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
                requests = admitted(requests_of(payload))
                return response_of(payload, await v1.answer_all(agent, requests, headers))
            if isinstance(payload, bytes):  # of another content type, as curl sends it unasked
                payload = v1.parsed(payload)
            asked, several = v1.requests_of(agent, payload)
            asked = admitted(asked)
            if wants_events(headers):
                return event_stream(agent, asked, headers, several=several)
            answer = await v1.answer_requests(agent, asked, headers, several=several)
            return _answer(answer, response_headers)
        except AgentError as error:
            raise AnswerError(error, headers) from error


def _answer(output: Any, response_headers: dict[str, str] | None) -> Any:
    """What kserve sends as JSON: it would send text as it is, so text is made JSON here."""
    if isinstance(output, str):
        if response_headers is not None:
            response_headers["content-type"] = "application/json"
        return orjson.dumps(output)
    return output
