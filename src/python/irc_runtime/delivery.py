"""How values travel along edges: what was delivered, what was not, and the casts between types."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from irc_runtime.errors import EdgeError, NoOutputError


class Absent:
    """The type of ``ABSENT``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "ABSENT"  # copies and pickles give the one object


#: Stands for a value that an edge did not deliver. (None is a value: JSON's null.)
ABSENT: Final[Any] = Absent()


def delivered(*values: Any) -> bool:
    """Whether every value was delivered."""
    return all(value is not ABSENT for value in values)


def first_delivered(*values: Any) -> Any:
    """The first value that was delivered, in the order of the flow's edges; else ABSENT."""
    for value in values:
        if value is not ABSENT:
            return value
    return ABSENT


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of the named values those that were delivered, in order; the result may be empty."""
    return {name: value for name, value in values.items() if value is not ABSENT}


def output(value: Any, reasons: Sequence[str] = ()) -> Any:
    """The flow's result.

    Args:
        value: what was delivered to the output.
        reasons: the conditions on the way to it, as ``flow.yaml:61: risk > 0.7``.
    Raises:
        NoOutputError: nothing was delivered; it names the reasons.
    """
    if value is ABSENT:
        raise NoOutputError(reasons)
    return value


def named_output(values: Mapping[str, Any], reasons: Sequence[str] = ()) -> Mapping[str, Any]:
    """The flow's result by name: what was delivered.

    Raises:
        NoOutputError: nothing was; it names the reasons.
    """
    if not values:
        raise NoOutputError(reasons)
    return values


def to_string(value: Any) -> Any:
    """A number or a boolean as text, booleans as ``true`` and ``false``; ABSENT stays ABSENT."""
    if value is ABSENT or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise EdgeError(f"a {type(value).__name__} does not become a string")


def as_text(value: Any) -> str:
    """A value within a longer text: strings as they are, anything else as its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def single_row(table: Any) -> Any:
    """The only row of a table (a list of rows); ABSENT stays ABSENT.

    Raises:
        EdgeError: there is no row, or there are several.
    """
    if table is ABSENT:
        return table
    if not isinstance(table, Sequence) or isinstance(table, str | bytes):
        raise EdgeError(f"a {type(table).__name__} is not a table: expected a list of rows")
    if len(table) != 1:
        raise EdgeError(f"expected a table of exactly one row, got {len(table)}")
    return table[0]
