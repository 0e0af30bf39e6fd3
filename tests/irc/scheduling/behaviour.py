"""What the nodes of random flows do: a function of their inputs, and ways to fail."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from irc_runtime.stubs import MockedError

#: Nodes time out after this, in milliseconds.
TIMEOUT_MS = 1000

FALLBACK = {"n": 3, "of": "fallback"}


@dataclass(frozen=True)
class Failure(Exception):
    """A node failed for good."""

    node: str
    type: str
    reason: str
    attempts: int
    fallback_available: bool

    def as_port(self) -> dict[str, Any]:
        """What its error port delivers."""
        return {
            "reason": self.reason,
            "type": self.type,
            "node": self.node,
            "attempts": self.attempts,
            "fallback_available": self.fallback_available,
        }


@dataclass(frozen=True)
class Behaviour:
    """What a node does in each attempt.

    Attributes:
        delay_ms: how long it waits; 0 gives way to others once, None does not wait at all.
        fails: when it does; ``once`` is the first attempt of an execution.
        how: ``hangs`` is past its time, ``refuses`` is a failure without a second attempt.
        omits: when it leaves out its optional output.
    """

    name: str
    attempts: int
    delay_ms: int | None
    fails: Literal["never", "once", "odd", "always"]
    how: Literal["errs", "refuses", "hangs"]
    omits: Literal["never", "even"]
    has_fallback: bool

    def outputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What it delivers where it does not fail."""
        total = _sum(inputs, len(self.name))
        if self.omits == "even" and total % 2 == 0:
            return {}
        parts = ",".join(f"{port}={_text(value)}" for port, value in sorted(inputs.items()))
        return {"out": {"n": total % 7, "of": f"{self.name}({parts})"}}

    def result(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What comes of an execution.

        Raises:
            Failure: of it.
        """
        attempt = 1
        while self._attempt_fails(inputs, attempt):
            if self.how == "refuses" or attempt == self.attempts:
                if self.has_fallback:
                    return {"out": FALLBACK}
                kind, reason = ("timeout", "timed out") if self.how == "hangs" else ("error", "no")
                raise Failure(self.name, kind, reason, attempt, self.has_fallback)
            attempt += 1
        return self.outputs(inputs)

    async def act(self, inputs: Mapping[str, Any], attempt: int) -> dict[str, Any]:
        """One attempt, as the agent runs it."""
        if self.delay_ms is not None:
            await asyncio.sleep(self.delay_ms / 1000)
        if self._attempt_fails(inputs, attempt):
            if self.how != "hangs":
                raise MockedError("no", "error", retryable=self.how == "errs")
            await asyncio.sleep(10 * TIMEOUT_MS / 1000)
        return self.outputs(inputs)

    def _attempt_fails(self, inputs: Mapping[str, Any], attempt: int) -> bool:
        return (
            self.fails == "always"
            or (self.fails == "once" and attempt == 1)
            or (self.fails == "odd" and _sum(inputs, len(self.name)) % 2 == 1)
        )


def _sum(inputs: Mapping[str, Any], salt: int) -> int:
    numbers = (int(value.get("n", len(value.get("type", "")))) for value in inputs.values())
    return sum(numbers, salt)


def _text(value: Mapping[str, Any]) -> str:
    return str(value.get("of") or f"{value['type']} in {value['node']} after {value['attempts']}")
