"""Connections to models, which all agents of a process share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from irc_runtime import provider_errors
from irc_runtime.errors import LoadError
from irc_runtime.tracing import add_trace_headers

#: The most that is read of one response of a model, in bytes, decompressed: a hundred times what
#: the longest answers take as a stream of events.
MAX_RESPONSE_BYTES = 64 * 2**20


class Pool:
    """One HTTP client with its connections.

    Attributes:
        http: the client, of the type that the provider's library takes.
        loop: the event loop that the connections belong to; None before the first.
        users: how many use it; after the last, it is closed.
    """

    __slots__ = ("http", "loop", "users")

    def __init__(self, http: Any, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.http = http
        self.loop = loop
        self.users = 0


class Pools:
    """The pools of one library: one for each event loop, and a served process has one of these.

    Redirections are not followed: prompts, and keys in headers, would go to other hosts. Cookies are
    not kept: a pool is that of all callers.

    Args:
        make: makes the library's HTTP client of keywords as ``httpx.AsyncClient`` takes them.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._pools: list[Pool] = []

    def take(self) -> Pool:
        """A pool for an agent that loads: before there is a loop, within it, or beside it.

        Raises:
            LoadError: a proxy of the environment is malformed.
        """
        self._pools = [pool for pool in self._pools if not pool.loop or not pool.loop.is_closed()]
        return self._used(self._pools[-1] if self._pools else self._new())

    def here(self, pool: Pool) -> Pool:
        """The pool of the running loop, for who has taken one: nearly always the same."""
        loop = asyncio.get_running_loop()
        if pool.loop is None:
            pool.loop = loop
        if pool.loop is loop:
            return pool
        pool.users -= 1
        return self._used(next((p for p in self._pools if p.loop is loop), None) or self._new(loop))

    async def give_back(self, pool: Pool) -> None:
        """Close the pool where nobody else uses it."""
        pool.users -= 1
        if pool.users == 0:
            self._pools = [other for other in self._pools if other is not pool]
            if pool.loop is None or not pool.loop.is_closed():  # else they went with the loop
                await pool.http.aclose()

    def _new(self, loop: asyncio.AbstractEventLoop | None = None) -> Pool:
        hooks = {"request": [add_trace_headers], "response": [bound_size]}
        try:
            pool = Pool(self._make(follow_redirects=False, event_hooks=hooks), loop)
        except (ImportError, ValueError):  # it would quote the proxy's password
            raise LoadError("a proxy that the environment names cannot be used") from None
        pool.http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._pools.append(pool)
        return pool

    def _used(self, pool: Pool) -> Pool:
        pool.users += 1
        return pool


async def bound_size(response: Any) -> None:
    """Have a response's body end with a failure where it is too large, whole or in events.

    Args:
        response: one of httpx whose body has not been read.
    """
    pieces = response.aiter_bytes

    async def bounded(*arguments: Any, **named: Any) -> AsyncIterator[bytes]:
        size_bytes = 0
        async for piece in pieces(*arguments, **named):
            size_bytes += len(piece)
            if size_bytes > MAX_RESPONSE_BYTES:
                raise provider_errors.too_large()
            yield piece

    response.aiter_bytes = bounded
