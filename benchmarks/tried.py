"""Attempts as a careful person writes them by hand."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def tried(
    call: Callable[[], Awaitable[Value]], timeout_s: float, attempts: int = 1, pause_s: float = 0.0
) -> Value:
    """Call, each attempt within its time, with growing pauses between attempts."""
    for attempt in range(attempts - 1):
        try:
            async with asyncio.timeout(timeout_s):
                return await call()
        except Exception:  # noqa: BLE001  # whatever it is, there is another attempt
            await asyncio.sleep(random.uniform(0.0, pause_s * 2.0**attempt))
    async with asyncio.timeout(timeout_s):
        return await call()
