"""What an agent takes from the environment when it loads: ``${env.NAME}`` of the flow, and settings."""

import math
import os

from irc_runtime.errors import LoadError


def variable(name: str) -> str:
    """The value of an environment variable.

    Raises:
        LoadError: it is not set.
    """
    value = os.environ.get(name)
    if value is None:
        raise LoadError(f"the flow reads the environment variable {name}, which is not set")
    return value


def seconds(name: str) -> float | None:
    """A setting in seconds; None where it is not set.

    Raises:
        LoadError: it is no number above 0.
    """
    text = os.environ.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise LoadError(f"{name} is not a number of seconds above 0")
    return value
