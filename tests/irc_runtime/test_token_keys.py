"""A provider's keys: fetched once, kept, and asked for again with measure."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from irc_runtime.errors import LoadError
from irc_runtime.serving import token_keys
from irc_runtime.serving.token_keys import Keys, KeysError, UnavailableError, fetch
from tests.standins.identity_provider import IdentityProvider, jwk, rsa_key


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as own:
        yield own


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


def test_keys_are_fetched_once(provider: IdentityProvider) -> None:
    async def use(keys: Keys) -> None:
        for _ in range(3):
            assert await keys.key("k1") is not None

    keys = Keys(provider.jwks_url)
    keys.load()
    asyncio.run(use(keys))
    assert provider.fetches == 1


def test_an_unknown_key_is_fetched_by_one_for_all(provider: IdentityProvider) -> None:
    async def use(keys: Keys) -> list[jwt.PyJWK | None]:
        return await asyncio.gather(*(keys.key("k2") for _ in range(20)))

    keys = Keys(provider.jwks_url)
    keys.load()
    provider.rotate("k2")
    provider.delay_s = 0.2
    assert all(key is not None for key in asyncio.run(use(keys)))
    assert provider.fetches == 2


def test_unknown_keys_are_not_fetched_again_and_again(provider: IdentityProvider) -> None:
    async def use(keys: Keys) -> None:
        for number in range(20):
            assert await keys.key(f"made up {number}") is None

    keys = Keys(provider.jwks_url)
    keys.load()
    asyncio.run(use(keys))
    assert provider.fetches == 2


def test_keys_that_are_withdrawn_hold_no_longer_than_they_are_fresh(
    provider: IdentityProvider,
) -> None:
    async def withdrawn(keys: Keys) -> bool:
        return await keys.key("k1") is None

    keys = Keys(provider.jwks_url, pause_s=0.0, fresh_s=0.0)
    keys.load()
    provider.rotate("k2")
    asyncio.run(until(lambda: withdrawn(keys)))


def test_keys_are_used_while_the_provider_is_down(provider: IdentityProvider) -> None:
    async def use(keys: Keys) -> None:
        assert await keys.key("k1") is not None
        with pytest.raises(UnavailableError):
            await keys.key("k2")
        assert await keys.key("k1") is not None
        provider.start()
        provider.rotate("k2")
        assert await keys.key("k2") is not None

    keys = Keys(provider.jwks_url, pause_s=0.0, fresh_s=0.0)
    keys.load()
    provider.stop()
    asyncio.run(use(keys))


def test_nobody_waits_for_a_provider_that_does_not_answer(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(keys: Keys) -> None:
        assert await keys.key("k1") is not None
        assert provider.fetches == 1, "the key that is known was waited for"
        with pytest.raises(UnavailableError):
            await keys.key("k2")

    monkeypatch.setattr(token_keys, "TIMEOUT_S", 0.3)
    keys = Keys(provider.jwks_url, fresh_s=0.0)
    keys.load()
    provider.delay_s = 5.0
    asyncio.run(use(keys))


def test_a_failed_fetch_leaves_the_keys_as_they_are(provider: IdentityProvider) -> None:
    async def use(keys: Keys) -> None:
        with pytest.raises(UnavailableError):
            await keys.key("k2")
        assert await keys.key("k1") is not None

    keys = Keys(provider.jwks_url, pause_s=0.0)
    keys.load()
    provider.body = b'{"keys": []}'
    asyncio.run(use(keys))


SECRET = {"kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}


def test_only_keys_that_sign_for_one_side_are_kept(provider: IdentityProvider) -> None:
    private: dict[str, Any] = {**RSAAlgorithm.to_jwk(rsa_key(), as_dict=True), "kid": "p"}
    ours = jwk("k1", rsa_key())
    nameless = {key: value for key, value in ours.items() if key != "kid"}
    others = [
        *(SECRET, private, nameless),
        {**ours, "kid": "e", "use": "enc"},
        {**ours, "kid": "h", "alg": "HS256"},
        {**ours, "kid": "n", "alg": "none"},
        {"kty": "EC", "kid": "c", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "b", "n": "!", "e": "AQAB"},
    ]
    curve = jwk("k2", ec.generate_private_key(ec.SECP256R1()))
    provider.body = json.dumps({"keys": [*others, ours, curve]}).encode()
    keys = fetch(provider.jwks_url)
    assert {key_id: key.algorithm_name for key_id, key in keys.items()} == {
        "k1": "RS256",
        "k2": "ES256",
    }


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, None, "status 503"),
        (200, b"<html>", "not a JWK set"),
        (200, b"[]", "not a JWK set"),
        (200, b'{"keys": ["text"]}', "not a JWK set"),
        (200, b'{"keys": []}', "no key that signs"),
        (200, json.dumps({"keys": [SECRET]}).encode(), "no key that signs"),
        (200, b" " * (token_keys.MAX_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_set_of_keys_is_told(
    provider: IdentityProvider, status: int, body: bytes | None, reason: str
) -> None:
    provider.status, provider.body = status, body
    with pytest.raises(KeysError, match=reason):
        fetch(provider.jwks_url)
    with pytest.raises(LoadError, match=f"IRC_JWT_JWKS_URL cannot be had: {reason}"):
        Keys(provider.jwks_url).load()


def test_redirections_are_not_followed(provider: IdentityProvider) -> None:
    with IdentityProvider() as other:
        provider.status, provider.location = 302, other.jwks_url
        with pytest.raises(KeysError, match="status 302"):
            fetch(provider.jwks_url)
        assert other.fetches == 0


def test_a_provider_that_is_down_is_told(provider: IdentityProvider) -> None:
    provider.stop()
    with pytest.raises(KeysError, match=r"no answer \(ConnectError\)"):
        fetch(provider.jwks_url)


def test_weak_keys_do_not_check(provider: IdentityProvider) -> None:
    from irc_runtime.serving.claims import UnauthenticatedError
    from irc_runtime.serving.token_check import TokenCheck
    from tests.standins.identity_provider import AUDIENCE, ISSUER

    provider.rotate("weak", rsa.generate_private_key(public_exponent=65537, key_size=1024))
    keys = Keys(provider.jwks_url)
    keys.load()
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = provider.token()
    with pytest.raises(UnauthenticatedError):
        asyncio.run(TokenCheck(ISSUER, AUDIENCE, keys).claims([f"Bearer {token}"]))
