"""State in Redis: shared by all processes and replicas of an agent.

An execution holds a key by a lease, which is renewed for as long as it runs. One whose lease is lost
cannot write any more: a write asks in the same step whether the key is still held. What is kept and
what is lost when processes or Redis fail: docs/design/0004-state.md.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from irc_runtime.errors import LoadError, StateError
from irc_runtime.events import ERROR, INFO, WARNING, event
from irc_runtime.state.backend import Held
from irc_runtime.state.key_locks import KeyLocks
from irc_runtime.state.redis_connection import (
    TIMEOUT_S,
    UNHEARD,
    VARIABLE,
    address,
    check_mode,
    failure,
    try_once,
)
from irc_runtime.state.redis_releases import LateReleases
from irc_runtime.state.redis_scripts import GIVE, RENEW, TAKE, WRITE
from irc_runtime.state.redis_spans import script_span, server_attributes
from irc_runtime.state.redis_turns import CHANNEL_PREFIX, Turns

#: Seconds after which a key is free again whose holder has died. Renewed three times in that time.
LEASE_S = 10.0

#: Seconds for which an execution that has ended waits for the release of its key.
RELEASE_S = 1.0

#: Connections of a process; executions wait for a free one.
MAX_CONNECTIONS = 64


class RedisBackend:
    """State in the Redis that ``REDIS_URL`` names; one pool of connections.

    A Redis that is away when the agent loads is waited for: see ``connected``.

    Args:
        agent: the agent's name, which is part of all its keys.
        lease_s: seconds after which a key is free again whose holder has died.
    Raises:
        LoadError: the variable is not set, or Redis does not let the agent do what it must.
    """

    def __init__(self, agent: str, lease_s: float = LEASE_S) -> None:
        url = address()
        missing = try_once(url, agent)
        self._connected = missing is None
        if missing:
            event(WARNING, "state_awaited", agent=agent, variable=VARIABLE, reason=missing)
        self.agent = agent
        self.lease_s = lease_s
        self.lease_ms = max(1, round(lease_s * 1000))
        self.process = uuid.uuid4().hex
        self._server = server_attributes(url)
        self._client = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url,
                max_connections=MAX_CONNECTIONS,
                timeout=None,  # the attempt's own time bounds the wait
                retry=Retry(NoBackoff(), 0),  # redis_scripts says why
                protocol=2,  # with 3, the client takes connections that Redis has closed for good ones
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                decode_responses=True,
                encoding_errors="surrogatepass",  # JSON may hold half a pair, UTF-8 may not
            )
        )
        self.turns = Turns(self._client, self.process)
        self._scripts = {
            text: self._client.register_script(text) for text in (TAKE, RENEW, WRITE, GIVE)
        }
        self._locks = KeyLocks()
        self._numbers = 0
        self._releases: set[asyncio.Task[None]] = set()
        self.late_releases = LateReleases(self.give, lease_s)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[Held]:
        """Hold a key: first among the executions of this process, then among processes.

        Who comes first has it first, there and there. The block ends when the key is released; when
        it is cancelled, or Redis is slow, the release goes on by itself.

        Raises:
            StateError: Redis cannot be reached, or refuses.
        """
        async with self._locks.hold(key):
            self._numbers += 1
            held = _HeldInRedis(self, f"{self.process}:{self._numbers}", key)
            wait_s = RELEASE_S
            try:
                await held.take()
                renewing = asyncio.create_task(held.renew())
                try:
                    yield held
                finally:
                    renewing.cancel()
            except asyncio.CancelledError:
                wait_s = 0.0
                raise
            finally:
                release = asyncio.create_task(held.give())
                self._releases.add(release)
                release.add_done_callback(self._releases.discard)
                await asyncio.wait([release], timeout=wait_s)

    async def connected(self) -> bool:
        """Whether Redis has answered at least once since the agent was loaded; asks, if not."""
        if not self._connected:
            try:
                check_mode(await self._client.info("server"))
            except exceptions.NoPermissionError:
                pass  # it has answered
            except exceptions.RedisError:
                return False
            except LoadError as error:
                event(ERROR, "state_refused", agent=self.agent, reason=error.reason)
                return False
            self._connected = True
            event(INFO, "state_connected", agent=self.agent)
        return True

    async def close(self) -> None:
        """Wait for releases under way, and close the pool."""
        await self.turns.close()
        if self._releases:
            await asyncio.wait(self._releases)
        await self.late_releases.close()
        await self._client.aclose()

    async def run(self, script: str, keys: list[str], *values: Any) -> Any:
        """Run a script.

        Raises:
            StateError: it may have run, and may not.
        """
        with script_span(script, self._server):
            try:
                return await self._scripts[script](keys, values)
            except exceptions.RedisError as error:
                raise failure(error) from error

    async def give(self, keys: list[str], token: str) -> None:
        """Release the key that a token holds, or let it leave the line: ``keys`` as ``GIVE`` has them.

        Raises:
            StateError: Redis did not answer; the lease lapses.
        """
        await self.run(GIVE, keys, token, self.lease_ms, CHANNEL_PREFIX)


class _HeldInRedis:
    """One execution's hold of a key."""

    def __init__(self, backend: RedisBackend, token: str, key: str) -> None:
        # The braces keep the three together where Redis spreads keys over servers.
        name = f"irc:{{{backend.agent}/{key}}}"
        self._holder, self._waiting = f"{name}:holder", f"{name}:waiting"
        self._values = f"{name}:values"
        self._backend = backend
        self._token = token
        self._texts: dict[str, str] = {}
        self._sent: asyncio.Task[Any] | None = None

    async def take(self) -> None:
        """Wait for one's turn and hold the key.

        Redis says whose turn it is. Where that is not heard, as after the holder's death, the next
        question comes when the holder's lease is over.
        """
        keys = [self._holder, self._waiting, self._values]
        turns = self._backend.turns
        with turns.expected(self._token) as turn:
            while True:
                turn.clear()
                taken, *reply = await self._finish(TAKE, keys, self._token, self._backend.lease_ms)
                if taken:
                    break
                await turns.wait(turn, max(reply[0], 50) / 1000)
        self._texts = dict(zip(reply[::2], reply[1::2], strict=True))

    async def read(self) -> dict[str, str]:
        return self._texts

    async def write(self, values: Mapping[str, str], ttl_s: float | None) -> None:
        """Replace the values.

        Where the answer is not heard, the same is asked once more: whether the first was done or
        not, and if it comes late, the values are the same, or the key is not held any more.
        """
        ttl_ms = 0 if ttl_s is None else max(1, round(ttl_s * 1000))
        texts = [text for pair in values.items() for text in pair]
        keys = [self._holder, self._values]
        try:
            kept = await self._finish(WRITE, keys, self._token, ttl_ms, *texts)
        except StateError as error:
            if not isinstance(error.__cause__, UNHEARD):
                raise
            kept = await self._finish(WRITE, keys, self._token, ttl_ms, *texts)
        if not kept:
            raise StateError("the state's key was lost to another execution", retryable=True)

    async def renew(self) -> None:
        """Renew the lease until it is lost, or the task is cancelled."""
        held = True
        while held:
            await asyncio.sleep(self._backend.lease_s / 3)
            with suppress(StateError):  # Redis may be back in time
                held = await self._backend.run(
                    RENEW, [self._holder], self._token, self._backend.lease_ms
                )

    async def give(self) -> None:
        """Release the key, or leave the line; where Redis does not hear it, once it is back."""
        if self._sent is not None:
            await asyncio.wait([self._sent])
        keys = [self._holder, self._waiting]
        try:
            await self._backend.give(keys, self._token)
        except StateError as error:
            if error.retryable:
                self._backend.late_releases.add(keys, self._token)

    async def _finish(self, script: str, keys: list[str], *values: Any) -> Any:
        """Run a script, which goes on where this is cancelled: the release waits for its end."""
        self._sent = asyncio.create_task(self._backend.run(script, keys, *values))
        return await asyncio.shield(self._sent)
