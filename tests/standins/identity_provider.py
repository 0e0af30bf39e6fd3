"""An identity provider on the loopback: signs tokens, and publishes its keys as a JWK set.

In a test::

    with IdentityProvider() as provider:
        token = provider.token(sub="u1")
        provider.rotate()
"""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PATH = "/.well-known/jwks.json"
ISSUER = "https://identity.example/"
AUDIENCE = "agents"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key_id: str, key: PrivateKey) -> dict[str, Any]:
    """The public half of a key, as it is published."""
    if isinstance(key, rsa.RSAPrivateKey):
        public: Mapping[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": key_id, "use": "sig"}


@dataclass
class IdentityProvider:
    """The provider; a context manager that listens while it is open.

    Attributes:
        keys: what signs, by key id; the last one signs new tokens.
        status: with which the JWK set is answered.
        body: what is sent in place of the JWK set.
        location: where a redirect leads.
        delay_s: seconds before an answer.
        fetches: how often the JWK set was asked for.
    """

    keys: dict[str, PrivateKey] = field(default_factory=lambda: {"k1": rsa_key()})
    status: int = 200
    body: bytes | None = None
    location: str | None = None
    delay_s: float = 0.0
    fetches: int = 0
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def jwks_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def environment(self) -> dict[str, str]:
        """What an agent that checks this provider's tokens is given."""
        return {
            "IRC_JWT_ISSUER": ISSUER,
            "IRC_JWT_AUDIENCE": AUDIENCE,
            "IRC_JWT_JWKS_URL": self.jwks_url,
        }

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [jwk(key_id, key) for key_id, key in self.keys.items()]}

    def rotate(self, key_id: str, key: PrivateKey | None = None) -> None:
        """Sign with a new key from now on, and publish no other."""
        self.keys = {key_id: key or rsa_key()}

    def token(self, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token that holds for ten minutes; claims that are None are left out."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "iat": now, "exp": now + 600}
        payload = {key: value for key, value in {**usual, **claims}.items() if value is not None}
        key_id, key = list(self.keys.items())[-1]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(payload, key, algorithm, {"kid": key_id, **(headers or {})})

    def start(self) -> None:
        """Listen; after a stop, on the same port as before."""
        handler = type("Handler", (_Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    provider: IdentityProvider

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        provider = self.provider
        known = self.path == PATH
        provider.fetches += known
        time.sleep(provider.delay_s)
        body = json.dumps(provider.jwks).encode() if provider.body is None else provider.body
        self.send_response(provider.status if known else 404)
        self.send_header("Content-Type", "application/json")
        if provider.location is not None:
            self.send_header("Location", provider.location)
        self.end_headers()
        with suppress(OSError):  # who asked may be gone
            self.wfile.write(body)
