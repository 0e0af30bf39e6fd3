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
    """

    __slots__ = ("_group", "_tasks")

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run a node beside what follows; awaiting the task gives its outputs."""
        task = self._group.create_task(coroutine)
        self._tasks.append(task)
        return task

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            failure = self._first(group)
            raise failure from failure.__cause__  # and without the group

    def _first(self, group: BaseExceptionGroup[BaseException]) -> BaseException:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                return failure
        return group.exceptions[0]  # the block itself failed, not a task
