"""What a request's verified token says, on its way from the server's door to the flow."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from irc_runtime.errors import AgentError


class UnauthenticatedError(AgentError):
    """A request lacks a token, or its token does not hold.

    Attributes:
        challenge: what the header ``WWW-Authenticate`` answers. A request without a token is told
            no error, https://www.rfc-editor.org/rfc/rfc6750#section-3.1.
    """

    type = "unauthenticated"
    status = 401

    def __init__(self, reason: str, *, invalid: bool = False) -> None:
        super().__init__(reason)
        error = f' error="invalid_token", error_description="{reason}"'
        self.challenge = "Bearer" + (error if invalid else "")


#: The claims of the token that the request came with; None where tokens are not checked.
verified: ContextVar[Mapping[str, Any] | None] = ContextVar("verified", default=None)


def admitted(requests: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Requests with the claims as their field ``auth``, in place of what their caller wrote there.

    Where tokens are not checked, they stay as they are.
    """
    claims = verified.get()
    if claims is not None:
        for request in requests:
            request["auth"] = claims
    return requests
