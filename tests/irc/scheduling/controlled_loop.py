"""An event loop in virtual time whose tasks run in an order that the test draws."""

import asyncio
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from irc_runtime.virtual_time import VirtualTimeLoop

Result = TypeVar("Result")

#: What the ready queue holds for a task: its next step, or its waking up.
TASK_CALLBACKS = ("TaskStepMethWrapper", "TaskWakeupMethWrapper", "task_wakeup")


class _Ready(deque[asyncio.Handle]):
    """A ready queue that gives any of the tasks that could go on; all else stays in its order."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.steps = 0

    def popleft(self) -> asyncio.Handle:
        self.steps += 1
        places = [place for place, handle in enumerate(self) if _is_of_task(handle)]
        first_other = next((p for p, handle in enumerate(self) if not _is_of_task(handle)), None)
        if first_other is not None:
            places.append(first_other)
        place = self._chance.choice(places)
        handle = self[place]
        del self[place]
        return handle


def _is_of_task(handle: asyncio.Handle) -> bool:
    callback = handle._callback  # type: ignore[attr-defined]  # of CPython's own Handle
    return (
        type(callback).__name__ in TASK_CALLBACKS
        or getattr(callback, "__name__", "") in TASK_CALLBACKS
    )


class ControlledLoop(VirtualTimeLoop):
    """An event loop of which each choice of the next task is drawn.

    Attributes:
        steps: callbacks that have run.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._ready = _Ready(chance)

    @property
    def steps(self) -> int:
        return self._ready.steps


def run_controlled(main: Coroutine[Any, Any, Result], chance: random.Random) -> Result:
    """Like ``asyncio.run``, in virtual time and in an order that ``chance`` draws."""
    with asyncio.Runner(loop_factory=lambda: ControlledLoop(chance)) as runner:
        return runner.run(main)
