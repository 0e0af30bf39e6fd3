"""State in Redis: shared by all processes and replicas of an agent.

An execution holds a key by a lease, which is renewed for as long as it runs. One whose lease is lost
cannot write any more: a write asks in the same step whether the key is still held. What is kept and
what is lost when processes or Redis fail: docs/design/0004-state.md.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

from irc_runtime.errors import LoadError, StateError
from irc_runtime.state.backend import Held
from irc_runtime.state.key_locks import KeyLocks
from irc_runtime.state.redis_scripts import GIVE, RENEW, TAKE, WRITE
from irc_runtime.state.redis_turns import CHANNEL_PREFIX, Turns

#: Environment variable that names the server, as ``redis://host:6379/0``.
VARIABLE = "REDIS_URL"

#: Seconds after which a key is free again whose holder has died. Renewed three times in that time.
LEASE_S = 10.0

#: Seconds that one exchange with Redis, or making one connection, may take.
TIMEOUT_S = 5.0

#: Seconds for which an execution that has ended waits for the release of its key.
RELEASE_S = 1.0

#: Connections of a process; executions wait for a free one.
MAX_CONNECTIONS = 64

#: What may be over in a moment: no connection, a primary that became a replica, no memory.
RETRYABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    exceptions.OutOfMemoryError,
)

#: What is not, though some of these are connection errors.
FINAL = (exceptions.AuthenticationError, exceptions.AuthorizationError)


class RedisBackend:
    """State in the Redis that ``REDIS_URL`` names; one pool of connections.

    Args:
        agent: the agent's name, which is part of all its keys.
        lease_s: seconds after which a key is free again whose holder has died.
    Raises:
        LoadError: the variable is not set, or Redis does not answer.
    """

    def __init__(self, agent: str, lease_s: float = LEASE_S) -> None:
        url = os.environ.get(VARIABLE)
        if not url:
            raise LoadError(f"state in Redis needs the environment variable {VARIABLE}")
        _try(url)
        self.agent = agent
        self.lease_s = lease_s
        self.process = uuid.uuid4().hex
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

    async def close(self) -> None:
        """Wait for releases under way, and close the pool."""
        await self.turns.close()
        if self._releases:
            await asyncio.wait(self._releases)
        await self._client.aclose()

    async def run(self, script: str, keys: list[str], *values: Any) -> Any:
        """Run a script.

        Raises:
            StateError: it may have run, and may not.
        """
        try:
            return await self._scripts[script](keys, values)
        except exceptions.RedisError as error:
            retryable = isinstance(error, RETRYABLE) and not isinstance(error, FINAL)
            raise StateError(f"state in Redis: {_what(error)}", retryable=retryable) from error


class _HeldInRedis:
    """One execution's hold of a key."""

    def __init__(self, backend: RedisBackend, token: str, key: str) -> None:
        # The braces keep the three together where Redis spreads keys over servers.
        name = f"irc:{{{backend.agent}/{key}}}"
        self._holder, self._waiting = f"{name}:holder", f"{name}:waiting"
        self._values = f"{name}:values"
        self._backend = backend
        self._token = token
        self._lease_ms = max(1, round(backend.lease_s * 1000))
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
                taken, *reply = await self._finish(TAKE, keys, self._token, self._lease_ms)
                if taken:
                    break
                await turns.wait(turn, max(reply[0], 50) / 1000)
        self._texts = dict(zip(reply[::2], reply[1::2], strict=True))

    async def read(self) -> dict[str, str]:
        return self._texts

    async def write(self, values: Mapping[str, str], ttl_s: float | None) -> None:
        ttl_ms = 0 if ttl_s is None else max(1, round(ttl_s * 1000))
        texts = [text for pair in values.items() for text in pair]
        keys = [self._holder, self._values]
        if not await self._finish(WRITE, keys, self._token, ttl_ms, *texts):
            raise StateError("the state's key was lost to another execution", retryable=True)

    async def renew(self) -> None:
        """Renew the lease until it is lost, or the task is cancelled."""
        held = True
        while held:
            await asyncio.sleep(self._backend.lease_s / 3)
            with suppress(StateError):  # Redis may be back in time
                held = await self._backend.run(RENEW, [self._holder], self._token, self._lease_ms)

    async def give(self) -> None:
        """Release the key, or leave the line; where Redis cannot be reached, the lease lapses."""
        if self._sent is not None:
            await asyncio.wait([self._sent])
        keys = [self._holder, self._waiting]
        with suppress(StateError):
            await self._backend.run(GIVE, keys, self._token, self._lease_ms, CHANNEL_PREFIX)

    async def _finish(self, script: str, keys: list[str], *values: Any) -> Any:
        """Run a script, which goes on where this is cancelled: the release waits for its end."""
        self._sent = asyncio.create_task(self._backend.run(script, keys, *values))
        return await asyncio.shield(self._sent)


def _try(url: str) -> None:
    """Ask Redis once; there is no event loop yet.

    Raises:
        LoadError: it does not answer.
    """
    try:
        with redis.Redis.from_url(
            url,
            retry=BlockingRetry(NoBackoff(), 0),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        ) as client:
            client.ping()
    except ValueError:  # it quotes the address, which may hold a password
        raise LoadError(f"{VARIABLE} is not the address of a Redis server") from None
    except exceptions.RedisError as error:
        raise LoadError(f"the Redis that {VARIABLE} names: {_what(error)}") from error


def _what(error: exceptions.RedisError) -> str:
    """What happened, without addresses and content."""
    if isinstance(error, FINAL):
        return "it does not let the agent in"
    if isinstance(error, exceptions.BusyLoadingError):
        return "it is still loading its data"
    if isinstance(error, exceptions.TimeoutError):
        return "it does not answer in time"
    if isinstance(error, exceptions.ConnectionError):
        return "it cannot be reached"
    return f"it refuses ({type(error).__name__})"
