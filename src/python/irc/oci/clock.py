"""The only time that outputs may hold."""

import os
from datetime import UTC, datetime

from irc.oci.errors import ImageError


def source_date_epoch() -> int:
    """Seconds since 1970, from ``SOURCE_DATE_EPOCH`` where it is set, else 0.

    Raises:
        ImageError: the variable does not hold a number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "0")
    try:
        seconds = int(text)
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # no number, or of a year that there is not
        seconds = -1
    if seconds < 0:
        raise ImageError(f"SOURCE_DATE_EPOCH must be a number of seconds, not {text!r}")
    return seconds


def rfc3339(seconds: int) -> str:
    """The time as OCI configurations write it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
