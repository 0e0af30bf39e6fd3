"""What the Hopsworks client's many exceptions mean, without what a server said about data."""

from collections.abc import Iterator
from ssl import SSLCertVerificationError
from typing import Any

import pyarrow.flight  # type: ignore[import-untyped]  # it has no stubs
import requests
import sqlalchemy.exc

from irc_runtime.errors import FeatureStoreError
from irc_runtime.retry_after import retry_after_s

#: Statuses of a service that may answer the next time.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

#: Of a call to which access is denied, or whose view or server is not there: all its keys fail.
FOR_ALL = frozenset({401, 403, 404, 405})

#: What the client raises over an answer that is not in the form that it knows.
UNREADABLE = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)

#: The query service, or the online store's database, is away or out of order.
PASSING_STORES = (
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.OperationalError,
    pyarrow.flight.FlightUnavailableError,
    pyarrow.flight.FlightTimedOutError,
    pyarrow.flight.FlightInternalError,
    pyarrow.flight.FlightServerError,
)


def explain(error: BaseException) -> str:
    """One line on an exception of the client's, for the person who runs the agent."""
    status = _status(error)
    if status == 401:
        return "it refuses the API key (status 401)"
    if status is not None:
        told = getattr(error, "error_msg", None) or getattr(error, "user_msg", None)
        return f"status {status}: {told}" if told else f"status {status}"
    if isinstance(error, requests.exceptions.SSLError):
        return (
            "its certificate is not trusted; HOPSWORKS_TRUST_STORE_PATH names a file of authorities"
        )
    if isinstance(error.__cause__, requests.exceptions.SSLError):
        return explain(error.__cause__)
    if isinstance(error, requests.exceptions.Timeout):
        return "it does not answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "it cannot be reached"
    if error.__cause__ is not None and _status(error.__cause__) is not None:
        return f"{_first_line(error)} ({explain(error.__cause__)})"
    return _first_line(error)


def is_passing(error: BaseException) -> bool:
    """Whether a second try may succeed: not where a key or a certificate is refused.

    An answer that cannot be read is taken for that of a server, or of a proxy before it, which is
    out of order.
    """
    status = _status(error)
    if status is not None:
        return status in PASSING
    led = list(causes(error))
    if any(isinstance(cause, SSLCertVerificationError) for cause in led):
        return False
    if isinstance(error, (requests.exceptions.RequestException, OSError, *UNREADABLE)):
        return True
    return any(isinstance(cause, PASSING_STORES) for cause in led)


def is_for_all(error: BaseException) -> bool:
    """Whether each key of a call would fail in the same way."""
    return is_passing(error) or _status(error) in FOR_ALL


def kind(error: BaseException) -> str:
    """What failed while a request was answered: the status or the class, and nothing of the data."""
    status = _status(error)
    if status == 401:
        return "it refuses the API key (status 401)"
    if status is not None:
        return f"status {status}"
    if isinstance(error, UNREADABLE) and not isinstance(error, UnicodeError):
        return f"its answer cannot be read ({type(error).__name__})"
    if isinstance(error, requests.exceptions.RequestException):
        return explain(error)
    return type(error).__name__


def failure(what: str, error: BaseException) -> FeatureStoreError:
    """A failed call as a node sees it; ``what`` is whose it was, as ``the online store failed``."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    found = FeatureStoreError(
        f"{what}: {kind(error)}",
        retryable=is_passing(error),
        retry_after_s=retry_after_s(headers),
    )
    found.__cause__ = error
    return found


def _status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that led to it, be they its causes, reasons or arguments."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None)]
            waiting += cause.args


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
