"""Threads for calls that block, which never keep the process from ending."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class Threads:
    """A few daemon threads. Those of ``concurrent.futures`` would be waited for at exit, and a call
    that a server never answers would then keep the process alive.

    Args:
        count: of threads; one runs its calls one after the other.
        name: of the threads.
    """

    def __init__(self, count: int, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def wait(self, call: Callable[[], Result], timeout_s: float) -> Result:
        """The result of a call.

        Raises:
            TimeoutError: it takes longer.
        """
        return self._submit(call).result(timeout_s)

    async def run(self, call: Callable[[], Result]) -> Result:
        """The result of a call, awaited. A call that is given up before it starts never does."""
        return await asyncio.wrap_future(self._submit(call))

    def stop(self) -> None:
        """Let the threads end when they have done what waits."""
        for _ in range(self._count):
            self._calls.put(None)

    def _submit(self, call: Callable[[], Result]) -> "Future[Result]":
        future: Future[Result] = Future()
        self._calls.put((future, call))
        return future

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001  # whoever waits gets it
                    future.set_exception(error)
            del item, future, call
