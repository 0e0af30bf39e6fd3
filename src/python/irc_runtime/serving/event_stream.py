"""Answering with server-sent events: a request's tokens as they come, and its response at the end.

KServe streams what ``predict`` gives as an asynchronous iterator, without a word about its content;
``EventStreamHeaders`` adds the type.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import AgentError, response_body
from irc_runtime.serving.answers import Application, Message, Receive, Scope, Send, headers_of
from irc_runtime.streaming import StreamEvent, TokenSink, TokenStream

MEDIA_TYPE = "text/event-stream"

Headers: TypeAlias = Mapping[str, str]


def wants_events(headers: Headers | None) -> bool:
    """Whether the caller asks for server-sent events; by name, as ``*/*`` does not."""
    accepted = headers.get("accept", "") if headers else ""
    if MEDIA_TYPE not in accepted:  # as almost always
        return False
    return any(item.partition(";")[0].strip() == MEDIA_TYPE for item in accepted.split(","))


def event_stream(
    agent: Agent, requests: Sequence[Mapping[str, Any]], headers: Headers | None, *, several: bool
) -> AsyncIterator[bytes]:
    """The events of requests that run side by side, in the form of a response's body.

    Args:
        several: whether they are ``instances``: events say which, and the result holds all.
    Raises:
        RequestError: a request cannot be served as it stands; nothing was begun.
    """
    contexts = [agent.context_of(request, headers) for request in requests]
    stream = TokenStream()
    for number, context in enumerate(contexts):
        context.tokens = TokenSink(stream, **({"instance": number} if several else {}))
    return _events(agent, list(zip(requests, contexts, strict=True)), stream, several=several)


async def _events(
    agent: Agent,
    requests: Sequence[tuple[Mapping[str, Any], Context]],
    stream: TokenStream,
    *,
    several: bool,
) -> AsyncIterator[bytes]:
    """Run the requests for as long as somebody reads; a reader that goes away cancels them."""
    work = asyncio.create_task(_answer_all(agent, requests, stream, several=several))
    try:
        async for event in stream:
            yield b"event: %s\ndata: %s\n\n" % (event.kind.encode(), orjson.dumps(event.data))
    finally:
        work.cancel()


async def _answer_all(
    agent: Agent,
    requests: Sequence[tuple[Mapping[str, Any], Context]],
    stream: TokenStream,
    *,
    several: bool,
) -> None:
    """Answer the requests, and put the last event."""
    answers = [agent.predict_in(request, context) for request, context in requests]
    results = await asyncio.gather(*answers, return_exceptions=True)
    for (_, context), result in zip(requests, results, strict=True):
        if isinstance(result, AgentError):
            body = response_body(result, {"trace_id": result.trace_id or context.trace_id})
            stream.put(StreamEvent("error", body))
            return
        if isinstance(result, BaseException):
            raise result
    stream.put(StreamEvent("result", {"predictions": results} if several else results[0]))


def _wants_events(scope: Scope) -> bool:
    named = any(
        name == b"accept" and MEDIA_TYPE.encode() in text for name, text in scope["headers"]
    )
    return named and wants_events(headers_of(scope))


class EventStreamHeaders:
    """ASGI middleware: names the type of streamed responses, and keeps proxies from holding them."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or not _wants_events(scope):
            await self._app(scope, receive, send)
            return

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                if not names & {b"content-type", b"content-length"}:
                    message["headers"] = [
                        *message["headers"],
                        (b"content-type", MEDIA_TYPE.encode()),
                        (b"cache-control", b"no-cache"),
                        (b"x-accel-buffering", b"no"),
                    ]
            await send(message)

        await self._app(scope, receive, send_named)
