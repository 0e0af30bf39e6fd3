"""Tokens that must not hold, and what is said of each."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.standins.identity_provider import ISSUER, IdentityProvider, jwk, rsa_key


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def hs256_with_the_public_key(provider: IdentityProvider) -> str:
    """The secret is what everybody knows, as a check that goes by the token's ``alg`` would use it."""
    public = provider.keys["k1"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _, payload, _ = provider.token().split(".")
    signed = f"{segment({'alg': 'HS256', 'kid': 'k1'})}.{payload}"
    digest = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def unsigned(provider: IdentityProvider) -> str:
    _, payload, _ = provider.token().split(".")
    return f"{segment({'alg': 'none', 'kid': 'k1'})}.{payload}."


def tampered(provider: IdentityProvider) -> str:
    head, payload, signature = provider.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{head}.{segment({**claims, 'sub': 'root'})}.{signature}"


def signed_by_another(provider: IdentityProvider, **headers: Any) -> str:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return jwt.encode(claims, rsa_key(), "RS256", headers)


def with_its_own_key(provider: IdentityProvider) -> str:
    """A token that brings the key that it is to be checked with."""
    key = rsa_key()
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return jwt.encode(claims, key, "RS256", {"kid": "k1", "jwk": jwk("k1", key)})


def without_key_id(provider: IdentityProvider) -> str:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return jwt.encode(claims, provider.keys["k1"], "RS256")


ATTACKS: dict[str, tuple[Callable[[IdentityProvider], str], str]] = {
    "no signature": (unsigned, "signed in a way that its key is not for"),
    "the public key as a secret": (hs256_with_the_public_key, "signed in a way"),
    "another algorithm": (
        lambda p: jwt.encode({"sub": "u1"}, p.keys["k1"], "RS512", {"kid": "k1"}),
        "signed in a way",
    ),
    "another issuer": (lambda p: p.token(iss=ISSUER.rstrip("/")), "another issuer"),
    "another audience": (lambda p: p.token(aud="others"), "another audience"),
    "expired": (lambda p: p.token(exp=1_700_000_000), "has expired"),
    "not valid yet": (lambda p: p.token(nbf=4_000_000_000), "not valid yet"),
    "issued in the future": (lambda p: p.token(iat=4_000_000_000), "not valid yet"),
    "without an expiry": (lambda p: p.token(exp=None), "lacks one of exp, iss, aud"),
    "without an issuer": (lambda p: p.token(iss=None), "lacks one of"),
    "without an audience": (lambda p: p.token(aud=None), "lacks one of"),
    "an unknown key": (lambda p: signed_by_another(p, kid="k9"), "names an unknown key"),
    "another key": (lambda p: signed_by_another(p, kid="k1"), "signature is wrong"),
    "its own key": (with_its_own_key, "signature is wrong"),
    "no key": (without_key_id, "names no key"),
    "a key that is no text": (lambda p: f"{segment({'alg': 'RS256', 'kid': 1})}.e30.", "malformed"),
    "a changed payload": (tampered, "signature is wrong"),
    "a cut signature": (lambda p: p.token()[:-2], "signature is wrong"),
    "demands of its own": (lambda p: p.token({"crit": ["x"], "x": 1}), "malformed"),
    "no token": (lambda p: "text", "malformed"),
    "no JSON": (lambda p: "e30.e30.e30", "names no key"),
    "a large one": (lambda p: p.token(padding="x" * 9000), "longer than 8192"),
}
