"""Tokens of a request's nodes on their way to whoever listens."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

#: Whether the running code is a tool's: what its nodes say is no part of the response.
muted: ContextVar[bool] = ContextVar("muted", default=False)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event: ``token``, ``restart``, ``result`` or ``error``, with its data."""

    kind: Literal["token", "restart", "result", "error"]
    data: Any


class TokenStream:
    """An asynchronous channel from the nodes of a request to its listener.

    It holds what the listener has not taken yet; that is at most what the models wrote, so a slow
    listener does not slow the nodes down.
    """

    def __init__(self) -> None:
        self._events: asyncio.Queue[StreamEvent] = asyncio.Queue()

    def put(self, event: StreamEvent) -> None:
        """Add an event; ``result`` and ``error`` are the last one."""
        self._events.put_nowait(event)

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        """The events, up to and with the last one."""
        while True:
            event = await self._events.get()
            yield event
            if event.kind in ("result", "error"):
                return


class TokenSink:
    """The nodes' end of a stream: what one request says.

    Args:
        stream: where events go.
        facts: what stands in each event's data besides, as the number of the instance.
    """

    def __init__(self, stream: TokenStream, **facts: Any) -> None:
        self._stream = stream
        self._facts = facts
        self._spoke: set[str] = set()
        self._started = perf_counter()

    @property
    def is_silent(self) -> bool:
        """Whether nothing was said yet."""
        return not self._spoke

    @property
    def age_s(self) -> float:
        """Seconds since the request came."""
        return perf_counter() - self._started

    def speaker(self, node: str) -> "Speaker":
        """What hears one answer of a model for a node."""
        return Speaker(self, node)

    def say(self, node: str, text: str, *, first: bool) -> None:
        """Pass on a piece of an answer; its first one voids what the node said before."""
        if first and node in self._spoke:
            self._stream.put(StreamEvent("restart", {"node": node, **self._facts}))
        self._spoke.add(node)
        self._stream.put(StreamEvent("token", {"node": node, "text": text, **self._facts}))


class Speaker:
    """Hears one answer of a model, piece by piece."""

    __slots__ = ("_first", "_node", "_sink")

    def __init__(self, sink: TokenSink, node: str) -> None:
        self._sink = sink
        self._node = node
        self._first = True

    def __call__(self, text: str) -> None:
        """Pass a piece on."""
        if text:
            self._sink.say(self._node, text, first=self._first)
            self._first = False
