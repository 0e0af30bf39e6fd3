"""State in this process: bounded, with time to live."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from irc_runtime.state.backend import Held
from irc_runtime.state.key_locks import KeyLocks

#: Keys that memory holds before it drops the one unused for longest.
MAX_ENTRIES = 100_000

#: Characters of JSON that memory holds before it does so.
MAX_CHARACTERS = 128_000_000


class MemoryBackend:
    """State in this process.

    Args:
        max_entries: keys held; beyond, the key unused for longest is dropped. What an execution
            has read of a key that is dropped meanwhile is kept again when it writes.
        max_characters: of all keys and their values together; beyond, the same.
    """

    def __init__(
        self, max_entries: int = MAX_ENTRIES, max_characters: int = MAX_CHARACTERS
    ) -> None:
        self._entries: OrderedDict[str, tuple[dict[str, str], float | None]] = OrderedDict()
        self._locks = KeyLocks()
        self._max_entries = max_entries
        self._max_characters = max_characters
        self._characters = 0

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[Held]:
        """Wait until nobody in this process holds the key, and hold it."""
        async with self._locks.hold(key):
            yield _HeldInMemory(self, key)

    async def connected(self) -> bool:
        """True: there is nothing to reach."""
        return True

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._characters = 0

    def read(self, key: str) -> dict[str, str]:
        """A copy of what the key holds."""
        entry = self._entries.get(key)
        if entry is None:
            return {}
        texts, expires = entry
        if expires is not None and expires <= _now():
            self._drop(key)
            return {}
        self._entries.move_to_end(key)
        return dict(texts)

    def write(self, key: str, values: Mapping[str, str], ttl_s: float | None) -> None:
        """Replace what the key holds, and make room where there are too many."""
        now = _now()
        self._drop(key)
        self._entries[key] = (dict(values), None if ttl_s is None else now + ttl_s)
        self._characters += _characters(key, values)
        while len(self._entries) > 1:
            first, (_, expires) = next(iter(self._entries.items()))
            if not (self._is_full() or (expires is not None and expires <= now)):
                break
            self._drop(first)

    def _is_full(self) -> bool:
        return len(self._entries) > self._max_entries or self._characters > self._max_characters

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._characters -= _characters(key, entry[0])


def _characters(key: str, values: Mapping[str, str]) -> int:
    return len(key) + sum(len(name) + len(text) for name, text in values.items())


def _now() -> float:
    """The event loop's seconds, which never go back and which tests can let jump."""
    return asyncio.get_running_loop().time()


class _HeldInMemory:
    __slots__ = ("_backend", "_key")

    def __init__(self, backend: MemoryBackend, key: str) -> None:
        self._backend = backend
        self._key = key

    async def read(self) -> dict[str, str]:
        return self._backend.read(self._key)

    async def write(self, values: Mapping[str, str], ttl_s: float | None) -> None:
        self._backend.write(self._key, values, ttl_s)
