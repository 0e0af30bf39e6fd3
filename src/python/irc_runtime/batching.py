"""Batching: questions that come at about the same time are asked together.

Nothing waits where there is nothing to wait for. A question that finds no call under way for its
place is asked at the next turn of the event loop, with all that this turn brings: the reads of nodes
that run side by side. While a call is under way, further questions gather until it ends, or until
the first of them has waited for the window, whichever comes first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from irc_runtime import tracing
from irc_runtime.tracing import NO_SPAN, Span

Place = TypeVar("Place", bound=Hashable)
Question = TypeVar("Question")
Answer = TypeVar("Answer")

#: The longest that a question waits for others, in seconds.
WINDOW_S = 0.001

#: The most questions of one call.
MAX_QUESTIONS = 100


@dataclass(slots=True, eq=False)
class _Call:
    """A call, and how many still wait for it; ``task`` is there once it has begun."""

    waiting: int
    task: "asyncio.Task[None] | None" = None


@dataclass(slots=True, eq=False)
class _Asked(Generic[Question, Answer]):
    """A question, and the span of who asks; ``call`` is the one that asks it, once it is asked."""

    question: Question
    future: "asyncio.Future[Answer]"
    span: Span
    call: _Call | None = None


def _no_span(place: object, users: Sequence[Span]) -> AbstractContextManager[Span]:
    return NO_SPAN


@dataclass(slots=True)
class _Gathered(Generic[Question, Answer]):
    """Questions of one place that wait to be asked, and how many of its calls are under way."""

    waiting: list[_Asked[Question, Answer]] = field(default_factory=list)
    timer: asyncio.Handle | None = None
    under_way: int = 0


class Batcher(Generic[Place, Question, Answer]):
    """Asks together what is asked of the same place at about the same time.

    An answer that is an exception fails its own question alone. Where a call raises, all its
    questions fail. A question that is given up before its call is left out of it; one that is given
    up later takes no other with it, and a call for which nobody waits any more is cancelled.

    Args:
        ask: takes a place and its questions, gives an answer or an exception for each, in order.
        window_s: the longest that a question waits for others; None waits for the end of the call
            under way, so that a place has one call at a time.
        max_questions: with so many, a call does not wait any longer.
        finish: whether a call goes on for which nobody waits any more, as one that writes.
        span: the span of a call, of its place and the spans of those who ask.
    """

    def __init__(
        self,
        ask: Callable[[Place, Sequence[Question]], Awaitable[Sequence[Answer | Exception]]],
        window_s: float | None = WINDOW_S,
        max_questions: int = MAX_QUESTIONS,
        *,
        finish: bool = False,
        span: Callable[[Place, Sequence[Span]], AbstractContextManager[Span]] = _no_span,
    ) -> None:
        self._ask = ask
        self._window_s = window_s
        self._max_questions = max_questions
        self._finish = finish
        self._span = span
        self._places: dict[Place, _Gathered[Question, Answer]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def __call__(self, place: Place, question: Question) -> Answer:
        """The answer to a question."""
        loop = asyncio.get_running_loop()
        gathered = self._places.setdefault(place, _Gathered())
        asked: _Asked[Question, Answer] = _Asked(question, loop.create_future(), tracing.current())
        gathered.waiting.append(asked)
        alone = gathered.under_way == 0
        if (alone or self._window_s is not None) and len(gathered.waiting) >= self._max_questions:
            self._flush(place)
        elif alone and gathered.timer is None:
            gathered.timer = loop.call_soon(self._flush, place)
        elif self._window_s is not None and gathered.timer is None:
            gathered.timer = loop.call_later(self._window_s, self._flush, place)
        try:
            return await asked.future
        finally:
            if asked.call is not None:
                asked.call.waiting -= 1
                if asked.call.task is not None and not (asked.call.waiting or self._finish):
                    asked.call.task.cancel()

    async def close(self) -> None:
        """Give up what waits and what is under way, or finish it where that is wanted."""
        while self._finish and self._places:
            await asyncio.gather(asyncio.sleep(0), *self._calls)
        for gathered in self._places.values():
            if gathered.timer is not None:
                gathered.timer.cancel()
            for asked in gathered.waiting:
                asked.future.cancel()
        self._places.clear()
        await asyncio.sleep(
            0
        )  # calls begin that have not yet, or nothing would end their questions
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _flush(self, place: Place) -> None:
        """Start the call of what waits."""
        gathered = self._places[place]
        if gathered.timer is not None:
            gathered.timer.cancel()
            gathered.timer = None
        waiting = [asked for asked in gathered.waiting if not asked.future.done()]
        now, gathered.waiting = waiting[: self._max_questions], waiting[self._max_questions :]
        if not now:
            self._forget(place)
            return
        gathered.under_way += 1
        call = _Call(len(now))
        for asked in now:
            asked.call = call
        task = asyncio.get_running_loop().create_task(self._run(place, now, call))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _run(
        self, place: Place, waiting: list[_Asked[Question, Answer]], call: _Call
    ) -> None:
        try:
            if call.waiting or self._finish:  # or they have given up before it could begin
                call.task = asyncio.current_task()
                with self._span(place, [asked.span for asked in waiting]):
                    answers = await self._ask(place, [asked.question for asked in waiting])
                for asked, answer in zip(waiting, answers, strict=True):
                    _settle(asked.future, answer)
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            for asked in waiting:
                _settle(asked.future, error)
        finally:
            for asked in waiting:
                asked.future.cancel()  # does nothing to those that are settled
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
