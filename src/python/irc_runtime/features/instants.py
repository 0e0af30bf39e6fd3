"""Instants as a feature store keeps them: whole microseconds since 1970, UTC."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

#: Numbers of more digits are milliseconds, the others seconds: the rule that Hopsworks follows.
SECONDS_DIGITS = 10


def to_microseconds(value: Any) -> int:
    """Microseconds since 1970 of an instant in any of the usual forms.

    Args:
        value: RFC 3339 text (a date alone is its midnight), a datetime or date (UTC where they do
            not say), or a whole number: seconds up to ten digits, milliseconds beyond.
    Raises:
        ValueError: the value is none of these.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.lstrip("-").isdigit() and len(text) != 8:
            return to_microseconds(int(text))
        value = datetime.fromisoformat(text)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return (moment - EPOCH) // MICROSECOND
    if isinstance(value, date):
        return to_microseconds(datetime(value.year, value.month, value.day))
    if isinstance(value, int) and not isinstance(value, bool):
        unit = 1_000_000 if len(str(abs(value))) <= SECONDS_DIGITS else 1_000
        return value * unit
    raise ValueError(f"a {type(value).__name__} is not an instant")


def to_text(microseconds: int) -> str:
    """The instant as RFC 3339 in UTC."""
    moment = EPOCH + microseconds * MICROSECOND
    return moment.isoformat().replace("+00:00", "Z")
