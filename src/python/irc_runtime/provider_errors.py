"""What providers' clients have in common: which failures pass, and what is said of them.

Statuses, codes and types only: messages of a provider may quote content.
"""

import re
from collections.abc import Mapping

from irc_runtime.errors import ModelError, ValidationFailedError
from irc_runtime.retry_after import retry_after_s

_NAME = re.compile(r"[A-Za-z_.]{1,64}")

#: Problems of answers. The model does not want to answer.
REFUSED = "the model refused to answer"
#: The answer ended at the limit of tokens, amid a structure or a tool's arguments.
CUT_OFF = "the model's answer was cut off at the most tokens allowed"
#: A filter took the answer away.
HELD_BACK = "the model's answer was held back by a content filter"
#: There is neither text nor a call of a tool.
EMPTY = "the model's answer is empty"

#: What comes of reading an answer that is no JSON, or not in the protocol's form, which clients
#: take as it comes.
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)

#: Statuses after which the same request can succeed; all of 5xx besides.
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})

#: Codes that no wait mends: with them 429 says that the account has nothing left.
EXHAUSTED = frozenset({"insufficient_quota"})


def status_error(
    status: int, code: str | None, headers: Mapping[str, str], *, retryable: bool = False
) -> ModelError:
    """The server refused.

    Args:
        status: the HTTP status.
        code: the provider's own name of the error; said where it is one, and no sentence or key.
        headers: with how long to wait, where the server said so.
        retryable: whether the code alone says that another attempt can succeed.
    """
    named = f" ({code})" if code and _NAME.fullmatch(code) else ""
    passing = retryable or status in RETRYABLE_STATUSES or status >= 500
    return ModelError(
        f"the model's server answered {status}{named}",
        retryable=passing and code not in EXHAUSTED,
        response_status=status,
        retry_after_s=retry_after_s(headers),
    )


def too_late() -> ModelError:
    """The client's own limit of time was reached."""
    return ModelError("the model did not answer in time", retryable=True, type="timeout")


def unreachable() -> ModelError:
    """There is no connection."""
    return ModelError("the model cannot be reached", retryable=True)


def garbage() -> ModelError:
    """What came does not follow the protocol."""
    return ModelError("the model's server sent what is not an answer", retryable=True)


def too_large() -> ModelError:
    """More came than any answer takes."""
    return ModelError("the model's server sent too much", retryable=False)


def broken_off() -> ModelError:
    """A stream ended before the answer did."""
    return ModelError("the model's answer broke off", retryable=True)


def filtered() -> ValidationFailedError:
    """A filter took the prompt away; it would do so again."""
    error = ValidationFailedError("the prompt was held back by a content filter")
    error.retryable = False
    return error
