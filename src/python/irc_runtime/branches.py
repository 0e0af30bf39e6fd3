"""Nodes that run side by side, within one request."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class Branches:
    """A group of tasks that ends as a whole: when one fails, the others are cancelled.

    Leaving the ``async with`` block waits for every task, so nothing outlives its request. A
    failure is raised as itself, not as a group; of several at once, that of the task started first.

    Speculative tasks are the exception: their results may turn out not to be needed. Such a task
    fails where its result is awaited, and is cancelled when it is dropped, or when all others have
    ended.
    """

    __slots__ = ("_group", "_speculative", "_tasks")

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[Any]] = []
        self._speculative: list[asyncio.Task[Any]] = []

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run a node beside what follows; awaiting the task gives its outputs."""
        task = self._group.create_task(coroutine)
        self._tasks.append(task)
        return task

    def speculate(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run a node whose result may turn out not to be needed."""
        task = asyncio.create_task(coroutine)
        self._speculative.append(task)
        return task

    def drop(self, task: asyncio.Task[Any]) -> None:
        """Cancel a speculative task that nobody is going to await, once it has begun."""
        asyncio.get_running_loop().call_soon(task.cancel)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._drop_all()
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            failure = self._first(group)
            raise failure from failure.__cause__  # and without the group
        finally:
            if self._speculative:
                self._drop_all()
                await self._ended()

    def _drop_all(self) -> None:
        for task in self._speculative:
            self.drop(task)

    async def _ended(self) -> None:
        """Wait until the speculative tasks have ended, also where that is interrupted."""
        interrupted = None
        while pending := [task for task in self._speculative if not task.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:
                interrupted = error
        for task in self._speculative:
            if not task.cancelled():
                task.exception()  # known to whoever awaited it, and of no use to others
        if interrupted is not None:
            raise interrupted

    def _first(self, group: BaseExceptionGroup[BaseException]) -> BaseException:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                return failure
        return group.exceptions[0]  # the block itself failed, not a task
