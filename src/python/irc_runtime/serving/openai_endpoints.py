"""OpenAI's chat completions for flows that take a conversation, on the paths that KServe has for them.

KServe's own endpoints cannot be had: they import vLLM (docs/design/0012-front-doors.md).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from irc_runtime import v1
from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import AgentError
from irc_runtime.serving import openai_errors
from irc_runtime.serving.answers import Receive, Scope, Send
from irc_runtime.serving.claims import admitted
from irc_runtime.serving.model import AgentModel
from irc_runtime.serving.openai_request import ChatRequest, chat_request, takes_conversations
from irc_runtime.serving.openai_response import ChunkedAnswer, Completion, text_of
from irc_runtime.streaming import StreamEvent, TokenSink, TokenStream

PREFIX = f"{openai_errors.PREFIX}v1"

#: Proxies are not to hold a stream back.
STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def add_endpoints(app: FastAPI, model: AgentModel) -> None:
    """Offer a model that is served on ``app`` over OpenAI's protocol, too."""
    endpoints = ChatEndpoints(model)
    app.add_route(f"{PREFIX}/chat/completions", endpoints.complete, methods=["POST"])
    app.add_route(f"{PREFIX}/models", endpoints.models, methods=["GET"])
    app.add_route(f"{PREFIX}/models/{{name}}", endpoints.model, methods=["GET"])


class ChatEndpoints:
    """The endpoints of one model."""

    def __init__(self, model: AgentModel) -> None:
        self._model = model
        self._created = int(time.time())

    async def complete(self, request: Request) -> Response:
        """Answer a conversation."""
        headers = dict(request.headers.items())
        agent = self._model.agent
        try:
            body = v1.parsed(await request.body())
            chat = chat_request(agent, self._model.name, body)
            admitted([chat.fields])
            context = agent.context_of(chat.fields, headers)
            completion = Completion(self._model.name, context)
            if chat.stream:
                return await _streamed(agent, chat, context, completion)
            text = text_of(await agent.predict_in(chat.fields, context))
            return _json(completion.whole(text))
        except AgentError as error:
            return openai_errors.response(error, headers)

    async def models(self, request: Request) -> Response:
        """List the models that take conversations."""
        takes = takes_conversations(self._model.agent)
        return _json({"object": "list", "data": [self._described()] if takes else []})

    async def model(self, request: Request) -> Response:
        """Describe one of them."""
        name = request.path_params["name"]
        if name == self._model.name and takes_conversations(self._model.agent):
            return _json(self._described())
        error = openai_errors.ParameterError(
            "there is no model of that name here", "model", "model_not_found", 404
        )
        return openai_errors.response(error, dict(request.headers.items()))

    def _described(self) -> dict[str, Any]:
        return {
            "id": self._model.name,
            "object": "model",
            "created": self._created,
            "owned_by": "irc",
        }


class WorkResponse(StreamingResponse):
    """A stream of what a task does, which ends with it: a reader that goes away cancels the task."""

    def __init__(self, work: asyncio.Task[None], content: AsyncIterator[bytes]) -> None:
        super().__init__(content, headers=STREAM_HEADERS, media_type="text/event-stream")
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._work.cancel()


async def _streamed(
    agent: Agent, chat: ChatRequest, context: Context, completion: Completion
) -> Response:
    """The answer as it comes, once it has begun: until then a failure has a status of its own.

    Raises:
        AgentError: the request failed before anything was said.
    """
    stream = TokenStream()
    context.tokens = TokenSink(stream)
    answer = ChunkedAnswer(completion, agent.answer_nodes, include_usage=chat.include_usage)
    work = asyncio.create_task(_answer(agent, chat.fields, context, stream))
    frames = _frames(stream, answer)
    try:
        first = await anext(frames)
    except BaseException:
        work.cancel()
        raise
    return WorkResponse(work, _joined(first, frames))


async def _answer(
    agent: Agent, request: Mapping[str, Any], context: Context, stream: TokenStream
) -> None:
    """Run the flow, and put the last event."""
    try:
        text = text_of(await agent.predict_in(request, context))
    except AgentError as error:
        stream.put(StreamEvent("error", error))
    else:
        stream.put(StreamEvent("result", text))


async def _frames(stream: TokenStream, answer: ChunkedAnswer) -> AsyncIterator[bytes]:
    async for event in stream:
        for frame in answer.frames(event):
            yield frame


async def _joined(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for other in others:
        yield other


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
