"""Values between Hopsworks and flows: records are JSON, keys have the type of their column."""

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from irc_runtime.errors import FeatureStoreError
from irc_runtime.features.instants import to_microseconds, to_text

INTEGERS = frozenset({"int", "bigint", "smallint", "tinyint"})


def plain(value: Any) -> Any:
    """A value as JSON has it: times are RFC 3339 in UTC, binary is base64, what is no number null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime | date):
        return to_text(to_microseconds(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain(value.tolist())  # NumPy's arrays and numbers


def key_values(
    title: str, types: Mapping[str, str], key: Mapping[str, Any]
) -> tuple[str | int, ...]:
    """The values of a key in the order of its columns; ``1001`` and ``"1001"`` are the same key.

    Args:
        title: of the view or group, for messages.
        types: Hive type by column of the key.
        key: value by column.
    Raises:
        FeatureStoreError: a value does not fit its column.
    """
    return tuple(_key_value(title, column, types[column], key[column]) for column in types)


def _key_value(title: str, column: str, type_: str, value: Any) -> str | int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        what = "empty" if value is None or value == "" else f"a {type(value).__name__}"
        raise FeatureStoreError(f"key column '{column}' of {title} is {what}")
    if type_ in INTEGERS:
        try:
            return int(value)
        except ValueError:
            raise FeatureStoreError(f"key column '{column}' of {title} is no integer") from None
    return str(value)
