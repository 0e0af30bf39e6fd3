"""What the Hopsworks client's many exceptions mean, without what a server said about data."""

from typing import Any

import requests

#: Statuses of a service that may answer the next time.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


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
    """Whether a second try may succeed."""
    status = _status(error)
    if status is not None:
        return status in PASSING
    return isinstance(error, requests.exceptions.RequestException | TimeoutError | OSError)


def kind(error: BaseException) -> str:
    """What failed while a request was answered: the status or the class, and nothing of the data."""
    status = _status(error)
    if status is not None:
        return f"status {status}"
    if isinstance(error, requests.exceptions.RequestException):
        return explain(error)
    return type(error).__name__


def _status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
