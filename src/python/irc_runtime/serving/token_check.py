"""Checking bearer tokens: JSON Web Tokens of one issuer, for one audience.

https://www.rfc-editor.org/rfc/rfc7519, and RFC 8725 for what goes wrong with them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from irc_runtime.serving.claims import UnauthenticatedError
from irc_runtime.serving.token_keys import Keys

#: Characters of a token; more are not looked at.
MAX_TOKEN_LENGTH = 8192

#: Seconds by which the provider's clock and this one may differ.
LEEWAY_S = 30.0

REQUIRED_CLAIMS = ["exp", "iss", "aud"]

#: What is said of a token, by what PyJWT finds; of subclasses and their bases the first that fits.
REASONS: Sequence[tuple[type[jwt.PyJWTError], str]] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidIssuerError, "the token is of another issuer"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.MissingRequiredClaimError, f"the token lacks one of {', '.join(REQUIRED_CLAIMS)}"),
    (jwt.InvalidAlgorithmError, "the token is signed in a way that its key is not for"),
    (jwt.InvalidSignatureError, "the token's signature is wrong"),
    (jwt.PyJWTError, "the token is malformed"),
)


class TokenCheck:
    """The check of one issuer's tokens for one audience.

    Args:
        issuer: what ``iss`` has to be, letter by letter.
        audience: what ``aud`` has to be, or hold.
        keys: the issuer's.
    """

    def __init__(self, issuer: str, audience: str, keys: Keys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys

    async def claims(self, authorizations: Sequence[str]) -> Mapping[str, Any]:
        """The claims of the token in a request's ``Authorization`` headers.

        Raises:
            UnauthenticatedError: there is no token, or one that does not hold.
            UnavailableError: the token's key is not known, and cannot be fetched.
        """
        token = _bearer(authorizations)
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.key(key_id) if key_id else None
            if key is None:
                named = "an unknown key" if key_id else "no key"
                raise UnauthenticatedError(f"the token names {named}", invalid=True)
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": REQUIRED_CLAIMS, "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            reason = next(text for kind, text in REASONS if isinstance(error, kind))
            raise UnauthenticatedError(reason, invalid=True) from None


def _bearer(authorizations: Sequence[str]) -> str:
    """The token alone."""
    if len(authorizations) > 1:
        raise UnauthenticatedError("there is more than one token", invalid=True)
    scheme, _, token = (authorizations or [""])[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError("there is no bearer token")
    if len(token) > MAX_TOKEN_LENGTH:
        raise UnauthenticatedError(
            f"the token is longer than {MAX_TOKEN_LENGTH} characters", invalid=True
        )
    return token.strip()
