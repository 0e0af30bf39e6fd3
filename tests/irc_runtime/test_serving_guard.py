"""The check of tokens within the gate: what becomes of requests that end while it waits."""

import asyncio
from typing import Any, cast

import pytest

from irc_runtime.serving.admission import Admission
from irc_runtime.serving.authentication import RequireToken
from irc_runtime.serving.gate import Gate
from irc_runtime.serving.options import Limits
from irc_runtime.serving.token_check import TokenCheck

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/models/demo:predict",
    "headers": [(b"content-length", b"2")],
}


class WaitingCheck:
    """A check of tokens that waits for a key for ever."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()

    async def claims(self, authorizations: list[str]) -> Any:
        self.waits.set()
        await asyncio.Event().wait()


async def answered(*, ending: bool) -> list[Any]:
    """What is sent for a request that is cancelled while its token is checked."""
    check, sent = WaitingCheck(), []

    async def never(*_: Any) -> Any:
        raise AssertionError("the request went on")

    async def send(message: Any) -> None:
        sent.append(message)

    gate = Gate(
        never, Admission(Limits()), 1000, lambda app: RequireToken(app, cast(TokenCheck, check))
    )
    request = asyncio.create_task(gate(dict(SCOPE), never, send))
    await check.waits.wait()
    gate.ending = ending
    request.cancel()  # as the connection does whose caller has gone
    await request
    return sent


def test_a_caller_that_leaves_while_its_token_is_checked_leaves_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert asyncio.run(answered(ending=False)) == []
    assert caplog.records == []


def test_a_server_that_ends_while_it_checks_a_token_says_so() -> None:
    start, *_ = asyncio.run(answered(ending=True))
    assert start["status"] == 503
