"""Releases that Redis did not hear: asked for again until it does, or the lease has lapsed."""

import asyncio
from collections.abc import Awaitable, Callable

from irc_runtime.errors import StateError

#: Seconds between two rounds.
PAUSE_S = 0.5

#: Releases that are kept at most; of others the lease lapses.
MAX_RELEASES = 10_000


class LateReleases:
    """All late releases of a process, by one task, so that a Redis that is away is asked by one.

    Args:
        give: releases the key that a token holds or waits for.
        lease_s: seconds after which there is nothing to release any more.
    """

    def __init__(self, give: Callable[[list[str], str], Awaitable[None]], lease_s: float) -> None:
        self._give = give
        self._lease_s = lease_s
        self._waiting: dict[str, tuple[list[str], float]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, keys: list[str], token: str) -> None:
        """Release a key when Redis is back."""
        if len(self._waiting) >= MAX_RELEASES:
            return
        self._waiting[token] = keys, asyncio.get_running_loop().time() + self._lease_s
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Give up: leases lapse."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(PAUSE_S)
            for token, (keys, ends) in list(self._waiting.items()):
                if ends > asyncio.get_running_loop().time():
                    try:
                        await self._give(keys, token)
                    except StateError:
                        break  # it is not back yet
                del self._waiting[token]
