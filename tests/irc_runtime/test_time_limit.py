"""``within`` does what ``asyncio.timeout_at`` does: the same tests for both, and then its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from irc_runtime.errors import CancelledWorkError
from irc_runtime.time_limit import within
from irc_runtime.virtual_time import run_virtually

Limit = Callable[[float | None, Coroutine[Any, Any, Any]], Coroutine[Any, Any, Any]]


async def library(when: float | None, coroutine: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.timeout_at(when):
        return await coroutine


async def own(when: float | None, coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await within(when, coroutine)


@pytest.fixture(params=[library, own])
def limit(request: Any) -> Limit:
    chosen: Limit = request.param
    return chosen


async def waits(seconds: float, result: str = "done") -> str:
    await asyncio.sleep(seconds)
    return result


def test_what_ends_in_time_gives_its_result(limit: Limit) -> None:
    assert run_virtually(limit(5, waits(4))) == "done"
    assert run_virtually(limit(None, waits(4))) == "done"


def test_what_does_not_is_cancelled(limit: Limit) -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await limit(5, waits(9))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 5


def test_a_time_that_is_over_interrupts_the_first_wait(limit: Limit) -> None:
    began = []

    async def work() -> None:
        began.append(True)
        await asyncio.sleep(1)

    with pytest.raises(TimeoutError):
        run_virtually(limit(-1, work()))
    assert began == [True]


def test_what_never_waits_is_not_interrupted(limit: Limit) -> None:
    async def work() -> str:
        return "done"

    assert run_virtually(limit(-1, work())) == "done"


def test_failures_are_their_own(limit: Limit) -> None:
    async def fails_at_once() -> None:
        raise ValueError("at once")

    async def fails_later() -> None:
        try:
            await asyncio.sleep(1)
            raise KeyError("later")
        except KeyError as error:
            raise ValueError("for it") from error

    with pytest.raises(ValueError, match="at once"):
        run_virtually(limit(5, fails_at_once()))
    with pytest.raises(ValueError, match="for it") as caught:
        run_virtually(limit(5, fails_later()))
    assert isinstance(caught.value.__context__, KeyError)


def test_failures_of_what_is_awaited_arrive_inside(limit: Limit) -> None:
    async def work() -> str:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1, future.set_exception, ConnectionError("gone"))
        try:
            await future
        except ConnectionError as error:
            return str(error)
        return "nothing"

    assert run_virtually(limit(5, work())) == "gone"


def test_a_result_in_spite_of_the_timeout_counts(limit: Limit) -> None:
    async def work() -> str:
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "in spite"

    async def main() -> Any:
        result = await limit(5, work())
        await asyncio.sleep(1)  # the task itself is not cancelled any more
        return result

    assert run_virtually(main()) == "in spite"


def test_of_two_limits_the_one_that_is_over_tells(limit: Limit) -> None:
    async def outer() -> str:
        try:
            await limit(5, waits(20))
        except TimeoutError:
            return "inner"
        return "none"

    assert run_virtually(limit(9, outer())) == "inner"
    with pytest.raises(TimeoutError):
        run_virtually(limit(3, outer()))


def test_a_task_that_is_cancelled_at_that_very_time_stays_cancelled(limit: Limit) -> None:
    async def main() -> None:
        task = asyncio.create_task(limit(5, waits(9)))
        await asyncio.sleep(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(main())


def test_cleaning_up_may_wait(limit: Limit) -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(2)
            cleaned.append(asyncio.get_running_loop().time())

    with pytest.raises(TimeoutError):
        run_virtually(limit(5, work()))
    assert cleaned == [7]


def test_a_coroutine_that_is_closed_closes_its_own(limit: Limit) -> None:
    closed = []

    async def work() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            closed.append(True)

    async def main() -> None:
        begun = limit(None, work())
        begun.send(None)
        begun.close()
        assert closed == [True]

    run_virtually(main())


def test_no_timer_is_set_for_what_never_waits_and_none_is_left() -> None:
    async def work() -> str:
        return "done"

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        await within(5, work())
        assert loop._scheduled == []
        await within(5, waits(1))
        assert all(handle.cancelled() for handle in loop._scheduled)

    run_virtually(main())


@pytest.mark.parametrize("after_s", [None, 1])
def test_a_cancellation_of_something_else_is_a_failure(after_s: float | None) -> None:
    async def work() -> None:
        future = asyncio.get_running_loop().create_future()
        if after_s is None:
            future.cancel()
        else:
            asyncio.get_running_loop().call_later(after_s, future.cancel)
        await future

    with pytest.raises(CancelledWorkError):
        run_virtually(own(5, work()))
