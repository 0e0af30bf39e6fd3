"""A limit of time that costs nothing where there is nothing to wait for."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from irc_runtime.errors import CancelledWorkError

Result = TypeVar("Result")


@types.coroutine
def within(
    when: float | None, coroutine: Coroutine[Any, Any, Result]
) -> Generator[Any, Any, Result]:
    """Await a coroutine, which has until the event loop's time ``when``.

    This does what ``async with asyncio.timeout_at(when)`` does, but sets the timer only where the
    coroutine waits for something: one that never waits cannot be interrupted anyway.

    Raises:
        TimeoutError: the time was over.
        CancelledWorkError: the coroutine was told of a cancellation that is not its task's.
    """
    result: Result
    try:
        waits_for = coroutine.send(None)
    except StopIteration as done:
        result = done.value
        return result
    except asyncio.CancelledError as error:
        raise _known(error) from error.__cause__
    timer = _Timer(when)
    try:
        while True:  # as ``yield from`` does it, which only takes coroutines that have not begun
            step: Callable[[Any], Any] = coroutine.send
            try:
                argument: Any = yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is the coroutine's
                step, argument = coroutine.throw, error
            try:
                waits_for = step(argument)
            except StopIteration as done:
                result = done.value
                return result
            finally:
                argument = None  # else exception, traceback and frame would hold each other
    except asyncio.CancelledError as error:
        if timer.stopped():
            raise TimeoutError from error
        raise _known(error) from error.__cause__
    finally:
        timer.stopped()


def _known(error: asyncio.CancelledError) -> BaseException:
    """The cancellation of the current task as it is; any other as the failure that it is."""
    task = asyncio.current_task()
    return error if task is None or task.cancelling() else CancelledWorkError()


class _Timer:
    """Cancels the current task at a time.

    As in ``asyncio.timeouts``: a task that somebody else has cancelled meanwhile stays cancelled.
    """

    __slots__ = ("_cancelling", "_fired", "_handle", "_task")

    def __init__(self, when: float | None) -> None:
        self._task = asyncio.current_task()
        self._fired = False
        self._handle: asyncio.TimerHandle | None = None
        if when is not None and self._task is not None:
            self._cancelling = self._task.cancelling()
            self._handle = asyncio.get_running_loop().call_at(when, self._fire)

    def _fire(self) -> None:
        assert self._task is not None
        self._fired = True
        self._task.cancel()

    def stopped(self) -> bool:
        """Stop; whether it was this timer, and nobody else, that cancelled the task."""
        if self._handle is not None:
            self._handle.cancel()
        if not self._fired or self._task is None:
            return False
        self._fired = False
        return self._task.uncancel() <= self._cancelling
