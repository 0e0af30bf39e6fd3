"""Waiting for one's turn without asking again and again: Redis says whose it is."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

#: What stands before a process's name in the name of its channel.
CHANNEL_PREFIX = "irc:turn:"

#: Seconds between two attempts to listen again.
RECONNECT_S = 1.0


class Turns:
    """The turns of all executions of a process that wait, through one subscription.

    A message can be lost with its connection. Hence everybody is woken whenever the connection is
    lost or made, and looks whether it is its turn.

    Args:
        client: whose pool gives the connection; it is taken when somebody waits for the first time.
        process: the process's name, which no other has.
    """

    def __init__(self, client: Redis, process: str) -> None:
        self._client = client
        self._channel = CHANNEL_PREFIX + process
        self._waiting: dict[str, asyncio.Event] = {}
        self._listener: asyncio.Task[None] | None = None

    @contextmanager
    def expected(self, token: str) -> Iterator[asyncio.Event]:
        """For the length of the block, an event that is set when it may be the token's turn."""
        turn = self._waiting[token] = asyncio.Event()
        try:
            yield turn
        finally:
            del self._waiting[token]

    async def wait(self, turn: asyncio.Event, timeout_s: float) -> None:
        """Wait until the event is set, and no longer than that."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen())
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await turn.wait()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    async def _listen(self) -> None:
        while True:
            with suppress(RedisError):
                async with self._client.pubsub() as subscription:
                    await subscription.subscribe(self._channel)
                    async for message in subscription.listen():
                        self._receive(message)
            self._wake_all()
            await asyncio.sleep(RECONNECT_S)

    def _receive(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":  # for the first time, or after a new connection
            self._wake_all()
        elif message["data"] in self._waiting:
            self._waiting[message["data"]].set()

    def _wake_all(self) -> None:
        for turn in self._waiting.values():
            turn.set()
