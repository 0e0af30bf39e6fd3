import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from irc_runtime.batching import Batcher
from irc_runtime.virtual_time import run_virtually

#: A power of two, so that sums of times are exact.
CALL_S = 1 / 64


class Store:
    """Answers after a while; notes when each call came, and with what."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[tuple[float, str, list[Any]]] = []
        self.batcher: Batcher[str, Any, Any] = Batcher(self.ask, **options)

    async def ask(self, place: str, questions: Sequence[Any]) -> list[Any]:
        self.calls.append((asyncio.get_running_loop().time(), place, list(questions)))
        await asyncio.sleep(CALL_S)
        if place == "broken":
            raise ConnectionError("refused")
        return [ValueError("bad") if q == "bad" else f"{place} {q}" for q in questions]

    async def after(self, delay_s: float, question: Any, place: str = "p") -> tuple[Any, float]:
        """Ask after a delay; gives the answer, and how long it took from then on."""
        await asyncio.sleep(delay_s)
        begin = asyncio.get_running_loop().time()
        answer = await self.batcher(place, question)
        return answer, asyncio.get_running_loop().time() - begin


def test_a_question_alone_waits_for_nothing() -> None:
    async def main() -> None:
        store = Store()
        assert await store.after(0.5, "a") == ("p a", CALL_S)
        assert await store.after(0.5, "b") == ("p b", CALL_S)
        assert [call[0] for call in store.calls] == [0.5, 1.0 + CALL_S]

    run_virtually(main())


def test_questions_of_one_turn_are_one_call() -> None:
    async def main() -> None:
        store = Store()
        answers = await asyncio.gather(*(store.after(0.5, q) for q in "abc"))
        assert answers == [("p a", CALL_S), ("p b", CALL_S), ("p c", CALL_S)]
        assert store.calls == [(0.5, "p", ["a", "b", "c"])]

    run_virtually(main())


def test_while_a_call_is_under_way_questions_gather_for_the_window_at_most() -> None:
    async def main() -> None:
        store = Store(window_s=0.001)
        begun = [store.after(0.0, "a"), store.after(0.0005, "b"), store.after(0.0012, "c")]
        answers = await asyncio.gather(*begun, store.after(0.0016, "d"))
        assert [call[2] for call in store.calls] == [["a"], ["b", "c"], ["d"]]
        waited = [took - CALL_S for _, took in answers]
        assert waited == pytest.approx([0.0, 0.001, 0.0003, 0.001])

    run_virtually(main())


def test_a_window_ends_with_the_call_that_it_waited_for() -> None:
    async def main() -> None:
        store = Store(window_s=0.001)
        late = CALL_S - 0.0002
        answers = await asyncio.gather(store.after(0.0, "a"), store.after(late, "b"))
        assert answers[1][1] == pytest.approx(CALL_S + 0.0002)

    run_virtually(main())


def test_places_are_asked_apart() -> None:
    async def main() -> None:
        store = Store()
        await asyncio.gather(store.after(0, "a"), store.after(0, "b", place="q"))
        assert [(place, questions) for _, place, questions in store.calls] == [
            ("p", ["a"]),
            ("q", ["b"]),
        ]

    run_virtually(main())


def test_a_call_has_no_more_questions_than_it_may() -> None:
    async def main() -> None:
        store = Store(max_questions=2)
        await asyncio.gather(*(store.after(0, q) for q in "abc"))
        assert [questions for _, _, questions in store.calls] == [["a", "b"], ["c"]]

    run_virtually(main())


def test_one_bad_question_fails_alone() -> None:
    async def main() -> None:
        store = Store()
        questions = [store.batcher("p", q) for q in ("a", "bad", "c")]
        answers = await asyncio.gather(*questions, return_exceptions=True)
        assert (answers[0], answers[2]) == ("p a", "p c")
        assert isinstance(answers[1], ValueError)

    run_virtually(main())


def test_a_call_that_raises_fails_its_questions_and_no_later_ones() -> None:
    async def main() -> None:
        store = Store()
        questions = [store.batcher("broken", q) for q in "ab"]
        answers = await asyncio.gather(*questions, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ConnectionError, ConnectionError]
        assert await store.batcher("p", "c") == "p c"

    run_virtually(main())


def test_a_question_given_up_in_time_is_not_asked_and_takes_no_other_with_it() -> None:
    async def main() -> None:
        store = Store()
        first = asyncio.create_task(store.after(0.0, "a"))
        given_up = asyncio.create_task(store.after(0.001, "b"))
        kept = asyncio.create_task(store.after(0.001, "c"))
        await asyncio.sleep(0.0015)
        given_up.cancel()
        first.cancel()
        assert (await kept)[0] == "p c"
        assert [questions for _, _, questions in store.calls] == [["a"], ["c"]]

    run_virtually(main())


def test_a_question_given_up_during_its_call_takes_no_other_with_it() -> None:
    async def main() -> None:
        store = Store()
        given_up, kept = (asyncio.create_task(store.after(0.0, q)) for q in "ab")
        await asyncio.sleep(CALL_S / 2)
        given_up.cancel()
        assert await kept == ("p b", CALL_S)
        assert given_up.cancelled()
        assert [questions for _, _, questions in store.calls] == [["a", "b"]]

    run_virtually(main())


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_a_call_that_nobody_waits_for_is_given_up_and_leaves_nothing(turns: int) -> None:
    """Whether it was given up before the call began, or later."""

    async def main() -> None:
        store = Store()
        asked = [asyncio.create_task(store.batcher("p", q)) for q in "ab"]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asked:
            task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert store.batcher._places == {}
        assert await store.after(0.0, "c") == ("p c", CALL_S)

    run_virtually(main())


def test_without_a_window_a_place_has_one_call_at_a_time() -> None:
    async def main() -> None:
        store = Store(window_s=None, max_questions=3)
        delays = {"a": 0.0, "b": 0.001, "c": 0.002, "d": 0.003, "e": 0.004, "f": 0.005}
        await asyncio.gather(*(store.after(delay_s, q) for q, delay_s in delays.items()))
        assert store.calls == [
            (0.0, "p", ["a"]),
            (CALL_S, "p", ["b", "c", "d"]),
            (2 * CALL_S, "p", ["e", "f"]),
        ]

    run_virtually(main())


def test_a_call_that_is_to_finish_does_so_for_nobody_and_before_closing() -> None:
    async def main() -> None:
        store = Store(window_s=None, finish=True)
        given_up = asyncio.create_task(store.batcher("p", "a"))
        await asyncio.sleep(CALL_S / 2)
        given_up.cancel()
        waiting = asyncio.create_task(store.batcher("p", "b"))
        await asyncio.sleep(0)
        await store.batcher.close()
        assert await waiting == "p b"
        assert store.calls == [(0.0, "p", ["a"]), (CALL_S, "p", ["b"])]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(main())


def test_closing_gives_up_what_is_under_way() -> None:
    async def main() -> None:
        store = Store()
        asked = asyncio.create_task(store.after(0, "a"))
        waiting = asyncio.create_task(store.after(CALL_S - 0.0005, "b"))
        await asyncio.sleep(CALL_S - 0.0004)
        await store.batcher.close()
        results = await asyncio.gather(asked, waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 2
        assert [questions for _, _, questions in store.calls] == [["a"]]

    run_virtually(main())


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_closing_leaves_nobody_waiting_whenever_it_comes(turns: int) -> None:
    async def main() -> None:
        store = Store()
        asked = [asyncio.create_task(store.batcher(place, "a")) for place in "pq"]
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.append(asyncio.create_task(store.batcher("p", "b")))
        await asyncio.sleep(0)
        await store.batcher.close()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 3

    run_virtually(main())
