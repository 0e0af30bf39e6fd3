"""The keys with which an identity provider signs its tokens: a JWK set, fetched and kept.

https://www.rfc-editor.org/rfc/rfc7517
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import orjson

from irc_runtime.errors import AgentError, LoadError
from irc_runtime.events import WARNING, event

#: Signatures that are made with a key nobody but the provider has. A secret that both sides share
#: (HS256) is not among them: who can check such a signature can make one.
ALGORITHMS = frozenset(
    {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "EdDSA"),
    }
)
KEY_TYPES = frozenset({"RSA", "EC", "OKP"})

#: Seconds for which keys are used without asking whether they still hold.
FRESH_S = 300.0

#: Seconds between two fetches, however many tokens name keys that are not known.
PAUSE_S = 30.0

#: Seconds for a fetch.
TIMEOUT_S = 5.0

MAX_BYTES = 1024 * 1024


class KeysError(Exception):
    """The keys cannot be had; the text says why, without what was sent."""


class UnavailableError(AgentError):
    """A token cannot be checked now: its key is not known, and the provider does not answer."""

    type = "keys_unavailable"
    status = 503
    retry_after_s = PAUSE_S


class Keys:
    """A provider's keys by their ids.

    Args:
        url: where the JWK set is; what it redirects to is not asked.
        pause_s: see ``PAUSE_S``.
        fresh_s: see ``FRESH_S``.
    """

    def __init__(self, url: str, *, pause_s: float = PAUSE_S, fresh_s: float = FRESH_S) -> None:
        self._url = url
        self._pause_s = pause_s
        self._fresh_s = fresh_s
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = 0.0
        self._next_at = 0.0
        self._failed = False
        self._fetching: asyncio.Task[None] | None = None

    def load(self) -> None:
        """Fetch the keys for the first time.

        Raises:
            LoadError: they cannot be had, or there are none to use.
        """
        try:
            self._keep(fetch(self._url))
        except KeysError as error:
            raise LoadError(f"the keys at IRC_JWT_JWKS_URL cannot be had: {error}") from error

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id; None where the provider has none.

        An id that is not known has the keys fetched, as the provider may have a new one. Keys that
        are not fresh are fetched beside the request, which does not wait: a provider that does not
        answer stops nobody whose key is known.

        Raises:
            UnavailableError: the key is not known, and the provider could not be asked.
        """
        if time.monotonic() - self._fetched_at > self._fresh_s:
            self._fetch()
        if key_id not in self._keys:
            fetching = self._fetch()
            if fetching is not None:
                await asyncio.shield(fetching)  # others may wait for it, too
            if key_id not in self._keys and self._failed:
                raise UnavailableError("the token cannot be checked: its key cannot be fetched")
        return self._keys.get(key_id)

    def _fetch(self) -> "asyncio.Task[None] | None":
        """The fetch that is under way, or a new one; None where it is too early for that."""
        if self._fetching is None and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + self._pause_s
            self._fetching = asyncio.create_task(self._fetch_and_keep())
        return self._fetching

    async def _fetch_and_keep(self) -> None:
        try:
            self._keep(await asyncio.to_thread(fetch, self._url))
            self._failed = False
        except KeysError as error:
            self._failed = True
            event(WARNING, "token_keys_not_fetched", reason=str(error))
        finally:
            self._fetching = None

    def _keep(self, keys: Mapping[str, jwt.PyJWK]) -> None:
        self._keys = keys
        self._fetched_at = time.monotonic()


def fetch(url: str) -> dict[str, jwt.PyJWK]:
    """The keys of a JWK set with which tokens may be checked, by their ids.

    Raises:
        KeysError: there is no answer within the time, it is something else, or none can be used.
    """
    until = time.monotonic() + TIMEOUT_S
    body = bytearray()
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=False) as response:
            if response.status_code != 200:
                raise KeysError(f"status {response.status_code}")
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise KeysError(f"more than {MAX_BYTES} bytes")
                if time.monotonic() > until:
                    raise KeysError("no answer in time")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise KeysError(f"no answer ({type(error).__name__})") from error
    try:
        items = orjson.loads(body)["keys"]
        keys = [key for key in map(_key, items) if key is not None and key.key_id]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise KeysError("not a JWK set") from None
    if not keys:
        raise KeysError("no key that signs, with an id and an asymmetric algorithm")
    return {str(key.key_id): key for key in keys}


def _key(item: Any) -> jwt.PyJWK | None:
    """A key that may check signatures; None for secrets, private keys, and what is not understood."""
    if item["kty"] not in KEY_TYPES or item.get("use", "sig") != "sig" or "d" in item:
        return None
    if item.get("alg") not in (None, *ALGORITHMS):
        return None
    try:
        key = jwt.PyJWK(item)
    except jwt.PyJWTError:
        return None
    return key if key.algorithm_name in ALGORITHMS else None
