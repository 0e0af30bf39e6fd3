"""Results of a node that stand for a while, shared by equal calls."""

import asyncio
import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from irc_runtime import tracing

#: Where a result comes from: kept, of a call under way, or of a new call.
CacheResult: TypeAlias = Literal["hit", "shared", "miss"]


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """A node's ``runtime.cache``: seconds that a result stands, and results kept at most."""

    ttl_s: float
    max_entries: int = 1024


class SingleFlightCache:
    """A bounded cache in which equal calls at the same time share one execution.

    A failure is shared by those who wait for it and then forgotten. An execution belongs to no caller:
    one that is cancelled leaves it to the others, and the last one takes it along.
    """

    def __init__(self, spec: CacheSpec) -> None:
        self._spec = spec
        self._results: OrderedDict[str, tuple[float, Mapping[str, Any]]] = OrderedDict()
        self._flights: dict[str, _Flight] = {}

    async def get(
        self,
        key: Any,
        call: Callable[[], Coroutine[Any, Any, Mapping[str, Any]]],
        note: Callable[[CacheResult, Any], None],
    ) -> Mapping[str, Any]:
        """The result for a key: a copy of a kept one, that of a call under way, or a new call's.

        Args:
            key: what the call depends on; where JSON cannot express it, nothing is cached.
            call: makes the result.
            note: is told where the result comes from, and of a call under way whose span it has.
        """
        try:
            text = json.dumps(key, sort_keys=True)
        except (TypeError, ValueError):
            note("miss", None)
            return await call()
        kept = self._results.get(text)
        if kept is not None:
            expires, result = kept
            if _now() < expires:
                self._results.move_to_end(text)
                note("hit", None)
                return copy.deepcopy(result)
            del self._results[text]
        flight = self._flights.get(text)
        if flight is None or flight.task.done():
            flight = self._flights[text] = _Flight(asyncio.create_task(self._fly(text, call)))
            note("miss", None)
        else:
            note("shared", flight.leader)
        flight.waiting += 1
        try:
            return copy.deepcopy(await asyncio.shield(flight.task))
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                if self._flights.get(text) is flight:  # who comes now begins anew
                    del self._flights[text]
                if not flight.task.done():
                    flight.task.cancel()
                    await asyncio.wait([flight.task])

    async def _fly(
        self, text: str, call: Callable[[], Coroutine[Any, Any, Mapping[str, Any]]]
    ) -> Mapping[str, Any]:
        result = await call()
        self._results[text] = (_now() + self._spec.ttl_s, result)
        while len(self._results) > self._spec.max_entries:
            self._results.popitem(last=False)
        return result


def _now() -> float:
    """The event loop's seconds, which never go back and which tests can let jump."""
    return asyncio.get_running_loop().time()


class _Flight:
    """An execution, and the number of those who wait for it."""

    __slots__ = ("leader", "task", "waiting")

    def __init__(self, task: "asyncio.Task[Mapping[str, Any]]") -> None:
        self.task = task
        self.waiting = 0
        #: The span of the node whose call it is; None where nothing is recorded.
        self.leader = tracing.current().get_span_context()
