"""What nodes remember, within a request or across the requests of a session.

A node that has state holds its key while it runs, and what it sets is kept when it succeeds: an
attempt that fails or times out leaves nothing behind. Values are kept as JSON, so that a node reads
the same from memory as from a server.
"""

import asyncio
import json
import string
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from irc_runtime.context import Context
from irc_runtime.errors import StateError

#: Keys that memory holds before it drops the one unused for longest.
MAX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A node's ``state`` block.

    Args:
        scope: ``request`` forgets at the request's end, ``session`` does not.
        key: template over ``{session_id}``, ``{user_id}``, ``{context.x}`` and input ports.
        ttl_s: seconds after the last write at which the values are gone; None keeps them.
        backend: who keeps session state.
    """

    scope: Literal["request", "session"]
    key: str
    ttl_s: float | None = None
    backend: str = "memory"
    _parts: tuple[tuple[str, str | None], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = tuple((text, name) for text, name, _, _ in string.Formatter().parse(self.key))
        object.__setattr__(self, "_parts", parts)

    def key_for(self, inputs: Mapping[str, Any], context: Context) -> str:
        """The key of one execution.

        Raises:
            StateError: a field that the template names is absent or empty.
        """
        key = ""
        for text, name in self._parts:
            key += text
            if name is None:
                continue
            field_name = name.removeprefix("context.")
            value = inputs[name] if name in inputs else context.get(field_name)
            if value is None or value == "":
                raise StateError(f"the state's key '{self.key}' needs '{name}', which is absent")
            key += str(value)
        return key


class Held(Protocol):
    """One key of a backend, held by one execution."""

    async def read(self) -> dict[str, str]:
        """Name → JSON text; empty for a key that is new or has expired."""

    async def write(self, values: Mapping[str, str], ttl_s: float | None) -> None:
        """Replace all that the key holds."""


class StateBackend(Protocol):
    """Where session state is kept."""

    def hold(self, key: str) -> AbstractAsyncContextManager[Held]:
        """Wait until nobody else holds the key, in this process or another, and hold it."""

    async def close(self) -> None:
        """Give back connections."""


class State:
    """The values under one key, as a node sees them during its execution."""

    __slots__ = ("_changed", "_texts")

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._changed = False

    async def get(self, name: str, default: Any = None) -> Any:
        """A copy of the value, or ``default`` where there is none."""
        text = self._texts.get(name)
        return default if text is None else json.loads(text)

    async def set(self, name: str, value: Any) -> None:
        """Keep a JSON value under a name, from the end of this execution on.

        Raises:
            StateError: JSON cannot express the value.
        """
        try:
            self._texts[name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        except (TypeError, ValueError):
            raise StateError(
                f"the value of state '{name}' is a {type(value).__name__} that JSON cannot express"
            ) from None
        self._changed = True

    def values(self) -> dict[str, Any]:
        """All values by name, as templates read them."""
        return {name: json.loads(text) for name, text in self._texts.items()}


class MemoryBackend:
    """State in this process: bounded, with time to live, one lock a key.

    Args:
        max_entries: keys held; beyond, the key unused for longest is dropped.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._entries: OrderedDict[str, tuple[dict[str, str], float | None]] = OrderedDict()
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._max_entries = max_entries

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[Held]:
        """Hold a key; its lock exists only while somebody holds it or waits for it."""
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield _HeldInMemory(self, key)
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def read(self, key: str) -> dict[str, str]:
        """A copy of what the key holds."""
        entry = self._entries.get(key)
        if entry is None:
            return {}
        texts, expires = entry
        if expires is not None and expires <= _now():
            del self._entries[key]
            return {}
        self._entries.move_to_end(key)
        return dict(texts)

    def write(self, key: str, values: Mapping[str, str], ttl_s: float | None) -> None:
        """Replace what the key holds, and make room where there are too many."""
        expires = None if ttl_s is None else _now() + ttl_s
        self._entries[key] = (dict(values), expires)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)


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


#: Backends of session state by the name that flows give them.
BACKENDS: Mapping[str, Callable[[], StateBackend]] = {"memory": MemoryBackend}


class StateStore:
    """All state of an agent; a backend is made when the first node asks for it."""

    def __init__(self) -> None:
        self._backends: dict[str, StateBackend] = {}

    def connect(self, name: str) -> StateBackend:
        """The backend of that name.

        Raises:
            StateError: there is no such backend.
        """
        backend = self._backends.get(name)
        if backend is None:
            if name not in BACKENDS:
                known = ", ".join(BACKENDS)
                raise StateError(f"unknown state backend '{name}': this runtime has {known}")
            backend = self._backends[name] = BACKENDS[name]()
        return backend

    @asynccontextmanager
    async def open(
        self, spec: StateSpec, inputs: Mapping[str, Any], context: Context
    ) -> AsyncIterator[State]:
        """Hold a node's key; what the block sets is kept when the block ends well."""
        if spec.scope == "request":
            backend: StateBackend = context.request_state()
        else:
            backend = self.connect(spec.backend)
        async with backend.hold(spec.key_for(inputs, context)) as held:
            state = State(await held.read())
            yield state
            if state._changed:
                await held.write(state._texts, spec.ttl_s)

    async def close(self) -> None:
        """Close every backend."""
        for backend in self._backends.values():
            await backend.close()
