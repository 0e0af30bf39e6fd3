"""Edges that check or change what travels along them."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

from irc_runtime.context import Context
from irc_runtime.errors import EdgeError, full_reason, public_reason

EdgeFunction: TypeAlias = Callable[[Any, Context], Any]


def edge(location: str) -> Callable[[EdgeFunction], EdgeFunction]:
    """Name the edge in the failures of its condition, its expression or its cast.

    Args:
        location: the flow file and line of the edge, as ``flows/churn/flow.yaml:128``.
    """

    def decorate(function: EdgeFunction) -> EdgeFunction:
        @functools.wraps(function)
        def run(value: Any, context: Context) -> Any:
            try:
                return function(value, context)
            except Exception as error:
                raise EdgeError(public_reason(error), location, full_reason(error)) from error

        return run

    return decorate
