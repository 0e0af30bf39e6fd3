"""Batching: questions that come at about the same time are asked together.

Nothing waits where there is nothing to wait for. A question that finds no call under way for its
place is asked at the next turn of the event loop, with all that this turn brings: the reads of nodes
that run side by side. While a call is under way, further questions gather until it ends, or until
the first of them has waited for the window, whichever comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)
Question = TypeVar("Question")
Answer = TypeVar("Answer")

#: The longest that a question waits for others, in seconds.
WINDOW_S = 0.001

#: The most questions of one call.
MAX_QUESTIONS = 100


@dataclass(slots=True)
class _Gathered(Generic[Question, Answer]):
    """Questions of one place that wait to be asked, and how many of its calls are under way."""

    waiting: list[tuple[Question, asyncio.Future[Answer]]] = field(default_factory=list)
    timer: asyncio.Handle | None = None
    under_way: int = 0


class Batcher(Generic[Place, Question, Answer]):
    """Asks together what is asked of the same place at about the same time.

    An answer that is an exception fails its own question alone. Where a call raises, all its
    questions fail. A question that is given up before its call is left out of it.

    Args:
        ask: takes a place and its questions, gives an answer or an exception for each, in order.
        window_s: the longest that a question waits for others.
        max_questions: with so many, a call does not wait any longer.
    """

    def __init__(
        self,
        ask: Callable[[Place, Sequence[Question]], Awaitable[Sequence[Answer | Exception]]],
        window_s: float = WINDOW_S,
        max_questions: int = MAX_QUESTIONS,
    ) -> None:
        self._ask = ask
        self._window_s = window_s
        self._max_questions = max_questions
        self._places: dict[Place, _Gathered[Question, Answer]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def __call__(self, place: Place, question: Question) -> Answer:
        """The answer to a question."""
        loop = asyncio.get_running_loop()
        gathered = self._places.setdefault(place, _Gathered())
        future: asyncio.Future[Answer] = loop.create_future()
        gathered.waiting.append((question, future))
        if len(gathered.waiting) >= self._max_questions:
            self._flush(place)
        elif gathered.timer is None:
            if gathered.under_way:
                gathered.timer = loop.call_later(self._window_s, self._flush, place)
            else:
                gathered.timer = loop.call_soon(self._flush, place)
        return await future

    async def close(self) -> None:
        """Give up the calls under way; their questions, and those that wait, are cancelled."""
        for gathered in self._places.values():
            if gathered.timer is not None:
                gathered.timer.cancel()
            for _, future in gathered.waiting:
                future.cancel()
        self._places.clear()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _flush(self, place: Place) -> None:
        """Start the call of what waits."""
        gathered = self._places[place]
        if gathered.timer is not None:
            gathered.timer.cancel()
            gathered.timer = None
        waiting = [item for item in gathered.waiting if not item[1].done()]
        gathered.waiting.clear()
        if not waiting:
            self._forget(place)
            return
        gathered.under_way += 1
        call = asyncio.get_running_loop().create_task(self._run(place, waiting))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _run(
        self, place: Place, waiting: list[tuple[Question, asyncio.Future[Answer]]]
    ) -> None:
        futures = [future for _, future in waiting]
        try:
            answers = await self._ask(place, [question for question, _ in waiting])
            for future, answer in zip(futures, answers, strict=True):
                _settle(future, answer)
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            for future in futures:
                _settle(future, error)
        finally:
            for future in futures:
                future.cancel()  # does nothing to those that are settled
            gathered = self._places.get(place)
            if gathered is not None:
                gathered.under_way -= 1
                if gathered.waiting and not gathered.under_way:
                    self._flush(place)
                self._forget(place)

    def _forget(self, place: Place) -> None:
        """Keep nothing of a place where nothing goes on."""
        gathered = self._places.get(place)
        if gathered is not None and not gathered.waiting and not gathered.under_way:
            del self._places[place]


def _settle(future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
