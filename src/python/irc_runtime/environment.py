"""What a flow takes from the environment: ``${env.NAME}``, read when the agent loads."""

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
