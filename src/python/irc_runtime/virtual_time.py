"""An event loop whose clock jumps: waiting takes no time, so timeouts and pauses can be tested."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class JumpingSelector(selectors.DefaultSelector):
    """A selector that, where only timers are due, moves the clock instead of waiting.

    While something outside the loop is under way, a thread or a socket, the clock stands still and
    that is really waited for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Events that are there; else, jump to the next timer."""
        events = super().select(0)
        if events or timeout == 0:
            return events
        sockets = len(self.get_map()) - 1  # one belongs to the loop itself
        if self.threads or sockets:
            return super().select(timeout)
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is left that could end it")
        self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at time 0 and takes no real time to wait."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)
        # A finer one is lost beside a clock that has jumped far, and timers would never be due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]  # typeshed's variadic types cannot be restated
        self, executor: Any, func: Callable[..., Result], *args: Any
    ) -> "asyncio.Future[Result]":
        """Run in a thread, for the length of which the clock stands still."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self) -> None:
        """Wait for the threads, which another thread does."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.threads -= 1

    def _thread_done(self, future: "asyncio.Future[Any]") -> None:
        self._jumping.threads -= 1


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Like ``asyncio.run``, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
