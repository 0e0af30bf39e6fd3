"""The Redis that keeps state: its address, what it must be, and what its failures mean."""

import os
import ssl
from collections.abc import Mapping
from typing import Any

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from irc_runtime.errors import LoadError, StateError
from irc_runtime.state.redis_scripts import RENEW

#: Environment variable that names the server, as ``redis://host:6379/0``.
VARIABLE = "REDIS_URL"

SCHEMES = ("redis", "rediss", "unix")

#: Seconds that one exchange with Redis, or making one connection, may take.
TIMEOUT_S = 5.0

#: Where the exchange itself failed: what was asked may have been done.
UNHEARD = (exceptions.ConnectionError, exceptions.TimeoutError)

#: What may be over in a moment: no connection, a primary that became a replica, no memory.
PASSING = (
    *UNHEARD,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    exceptions.OutOfMemoryError,
)

#: What is not, though some of these are connection errors.
FINAL = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
)


def address() -> str:
    """The server's address.

    Raises:
        LoadError: it is not set, or not of a kind that is supported. It is not quoted, as it may
            hold a password.
    """
    url = os.environ.get(VARIABLE)
    if not url:
        raise LoadError(f"state in Redis needs the environment variable {VARIABLE}")
    scheme, found, _ = url.partition("://")
    if found and scheme not in SCHEMES and scheme.replace("+", "").isalpha():
        raise LoadError(
            f"{VARIABLE}: '{scheme}://' is not supported; name one Redis, or a primary behind one "
            f"address, with {', '.join(f'{name}://' for name in SCHEMES)}"
        )
    return url


def try_once(url: str, agent: str) -> str | None:
    """Ask Redis once whether it will do; there is no event loop yet.

    Returns:
        None where it will, and else why it did not answer: it may in a moment.
    Raises:
        LoadError: it will not do.
    """
    try:
        with redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            decode_responses=True,
        ) as client:
            try:
                check_mode(client.info("server"))
            except exceptions.NoPermissionError:
                pass  # the agent needs no more than what the next line asks for
            renew = client.register_script(RENEW)
            renew([f"irc:{{{agent}/}}:holder"], ["", 1])  # nobody holds it: changes nothing
            return None
    except ValueError:  # it quotes the address
        raise LoadError(f"{VARIABLE} is not the address of a Redis server") from None
    except exceptions.RedisError as error:
        if is_passing(error):
            return explain(error)
        raise LoadError(f"the Redis that {VARIABLE} names: {explain(error)}") from error


def check_mode(info: Mapping[str, Any]) -> None:
    """Raise LoadError where a server is not one that keeps all keys; ``info`` is of ``INFO server``."""
    mode = info.get("redis_mode", "standalone")
    if mode != "standalone":
        raise LoadError(
            f"the Redis that {VARIABLE} names is a {mode}; name one Redis, or a primary behind one "
            "address"
        )


def is_passing(error: exceptions.RedisError) -> bool:
    """Whether another attempt may succeed."""
    return isinstance(error, PASSING) and not isinstance(error, FINAL) and not _untrusted(error)


def failure(error: exceptions.RedisError) -> StateError:
    """A failure as a node sees it."""
    return StateError(f"state in Redis: {explain(error)}", retryable=is_passing(error))


def explain(error: exceptions.RedisError) -> str:
    """What happened, without addresses and content."""
    if isinstance(error, exceptions.NoPermissionError):
        return "it does not let the agent run its scripts on the keys 'irc:*'"
    if isinstance(error, FINAL):
        return "it does not let the agent in"
    if isinstance(error, exceptions.BusyLoadingError):
        return "it is still loading its data"
    if isinstance(error, exceptions.TimeoutError):
        return "it does not answer in time"
    if _untrusted(error):
        return "its certificate is not trusted; ssl_ca_certs in its address names a file of authorities"
    if isinstance(error, exceptions.ConnectionError):
        return "it cannot be reached"
    return f"it refuses ({type(error).__name__})"


def _untrusted(error: BaseException | None) -> bool:
    """Whether it was the server's certificate."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
