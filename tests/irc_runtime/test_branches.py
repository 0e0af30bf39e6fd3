import asyncio

import pytest

from irc_runtime.branches import Branches
from irc_runtime.virtual_time import run_virtually


async def later(seconds: float, result: str, log: list[str]) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        log.append(f"{result} cancelled")
        raise
    log.append(result)
    return result


async def failing(seconds: float, message: str) -> str:
    await asyncio.sleep(seconds)
    raise ValueError(message)


def test_branches_run_side_by_side_and_end_with_the_block() -> None:
    async def main() -> float:
        log: list[str] = []
        async with Branches() as branches:
            slow = branches.start(later(2, "slow", log))
            branches.start(later(3, "unread", log))
            assert await later(1, "main", log) == "main"
            assert await slow == "slow"
        assert log == ["main", "slow", "unread"]
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 3


def test_a_failure_is_raised_as_itself_and_cancels_the_others() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        with pytest.raises(ValueError, match="first"):
            async with Branches() as branches:
                branches.start(later(9, "other", log))
                branches.start(failing(1, "first"))
                await later(5, "main", log)
        return log

    assert sorted(run_virtually(main())) == ["main cancelled", "other cancelled"]


def test_of_failures_at_once_the_first_started_is_raised() -> None:
    async def main() -> None:
        async with Branches() as branches:
            branches.start(failing(1, "a"))
            branches.start(failing(1, "b"))

    with pytest.raises(ValueError, match="a"):
        run_virtually(main())


def test_a_failure_of_the_block_cancels_the_branches() -> None:
    log: list[str] = []

    async def main() -> None:
        async with Branches() as branches:
            branches.start(later(9, "branch", log))
            await failing(1, "block")

    with pytest.raises(ValueError, match="block"):
        run_virtually(main())
    assert log == ["branch cancelled"]


def test_a_failed_task_that_the_block_awaits_is_raised_once() -> None:
    async def main() -> None:
        async with Branches() as branches:
            task = branches.start(failing(1, "awaited"))
            await task

    with pytest.raises(ValueError, match="awaited"):
        run_virtually(main())


def test_a_cancelled_request_cancels_its_branches() -> None:
    async def main() -> list[str]:
        log: list[str] = []

        async def request() -> None:
            async with Branches() as branches:
                branches.start(later(9, "branch", log))
                await later(9, "main", log)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await request()
        return log

    assert sorted(run_virtually(main())) == ["branch cancelled", "main cancelled"]


def test_a_failure_keeps_what_it_was_raised_from() -> None:
    async def caused() -> None:
        raise RuntimeError("failure") from KeyError("cause")

    async def main() -> None:
        async with Branches() as branches:
            branches.start(caused())

    with pytest.raises(RuntimeError) as caught:
        run_virtually(main())
    assert isinstance(caught.value.__cause__, KeyError)
