"""What keeps state: the protocols of a backend and of one key that an execution holds."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Held(Protocol):
    """One key of a backend, held by one execution."""

    async def read(self) -> dict[str, str]:
        """Name → JSON text; empty for a key that is new or has expired."""

    async def write(self, values: Mapping[str, str], ttl_s: float | None) -> None:
        """Replace all that the key holds, at once or not at all.

        Raises:
            StateError: nothing is certain to be kept; the key may be another execution's by now.
        """


class StateBackend(Protocol):
    """Where state is kept."""

    def hold(self, key: str) -> AbstractAsyncContextManager[Held]:
        """Wait until nobody else holds the key, and hold it for the length of the block.

        Raises:
            StateError: the key cannot be held.
        """

    async def connected(self) -> bool:
        """Whether what keeps the state has been reached since the agent was loaded."""

    async def close(self) -> None:
        """Give back connections."""
