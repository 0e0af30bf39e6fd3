"""How many requests a process answers at once, over REST and gRPC together."""

import asyncio

from irc_runtime.serving.answers import ServerError
from irc_runtime.serving.options import Limits

#: What a caller that is turned away is told to wait, in seconds.
RETRY_AFTER_S = 1.0


class Admission:
    """Turns: so many requests at once, others wait in the order in which they came.

    Attributes:
        draining: whether the server is going to stop, which makes it not ready.
    """

    def __init__(self, limits: Limits) -> None:
        self._turns = asyncio.Semaphore(limits.max_requests)
        self._limits = limits
        self._waiting = 0
        self.draining = False

    async def enter(self) -> float:
        """Wait for a turn, which ``leave`` gives back.

        Returns:
            Seconds waited.
        Raises:
            ServerError: too many wait already, or the wait was too long.
        """
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return 0.0
        if self._waiting >= self._limits.max_waiting:
            raise _overloaded()
        now = asyncio.get_running_loop().time
        began = now()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.max_wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise _overloaded() from None
        finally:
            self._waiting -= 1
        return now() - began

    def leave(self) -> None:
        """Give a turn back."""
        self._turns.release()


def _overloaded() -> ServerError:
    return ServerError("too many requests at once", "overloaded", 503, RETRY_AFTER_S)
