"""What nodes remember, within a request or across the requests of a session.

A node that has state holds its key while it runs, and what it sets is kept when it succeeds: an
attempt that fails or times out leaves nothing behind. Values are kept as JSON, so that a node reads
the same from memory as from a server.
"""

import json
import string
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from irc_runtime.context import Context
from irc_runtime.errors import StateError
from irc_runtime.state.backend import StateBackend
from irc_runtime.state.memory import MemoryBackend

#: Characters of JSON that one key may hold. Values are read and written whole.
MAX_CHARACTERS = 16_000_000


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A node's ``state`` block.

    Args:
        scope: ``request`` forgets at the request's end, ``session`` does not.
        key: template over ``{session_id}``, ``{user_id}``, ``{context.x}`` and input ports.
        ttl_s: seconds after the last write at which the values are gone; None keeps them.
        backend: who keeps session state; that of a request is always in memory.
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
            self._texts[name] = json.dumps(
                value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
            )
        except (TypeError, ValueError):
            raise StateError(
                f"the value of state '{name}' is a {type(value).__name__} that JSON cannot express"
            ) from None
        self._changed = True

    def values(self) -> dict[str, Any]:
        """All values by name, as templates read them."""
        return {name: json.loads(text) for name, text in self._texts.items()}


class StateStore:
    """All state of an agent.

    Args:
        backends: who keeps session state, by the name that flows give them; memory is always there.
    """

    def __init__(self, **backends: StateBackend) -> None:
        self._backends: dict[str, StateBackend] = {"memory": MemoryBackend(), **backends}

    @asynccontextmanager
    async def open(
        self, spec: StateSpec, inputs: Mapping[str, Any], context: Context
    ) -> AsyncIterator[State]:
        """Hold a node's key; what the block sets is kept when the block ends well.

        Raises:
            StateError: the key cannot be held, or what was set cannot be kept.
        """
        backend = self._backend(spec, context)
        async with backend.hold(spec.key_for(inputs, context)) as held:
            state = State(await held.read())
            yield state
            if state._changed:
                characters = sum(map(len, state._texts.values()))
                if characters > MAX_CHARACTERS:
                    raise StateError(
                        f"the state of one key would be {characters} characters of JSON; "
                        f"at most {MAX_CHARACTERS} are kept"
                    )
                await held.write(state._texts, spec.ttl_s)

    async def connected(self) -> bool:
        """Whether every backend has been reached since the agent was loaded."""
        return all([await backend.connected() for backend in self._backends.values()])

    async def close(self) -> None:
        """Close every backend."""
        for backend in self._backends.values():
            await backend.close()

    def _backend(self, spec: StateSpec, context: Context) -> StateBackend:
        if spec.scope == "request":
            return context.request_state()
        if spec.backend not in self._backends:
            known = ", ".join(self._backends)
            raise StateError(f"the agent has no state backend '{spec.backend}': it has {known}")
        return self._backends[spec.backend]
