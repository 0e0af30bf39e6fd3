"""Filters and tests of templates, which are looked up by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jinja2
from jinja2 import nodes as jinja

from irc.diagnostics import did_you_mean
from irc.syntax import Nodes


class UnknownName(NamedTuple):
    """A filter or a test that does not exist."""

    line: int
    name: str
    message: str
    hint: str | None


def knowing(environment: jinja2.Environment, names: Iterable[str]) -> jinja2.Environment:
    """An environment that takes further names of filters and tests, so that the rest can be checked."""
    more: dict[str, Any] = dict.fromkeys(names, str)
    wider = environment.overlay()
    wider.filters = {**environment.filters, **more}
    wider.tests = {**environment.tests, **more}
    return wider


def unknown_names(nodes: Nodes, environment: jinja2.Environment) -> Iterator[UnknownName]:
    """The filters and tests that an environment does not have.

    Jinja itself stops at the first, and lets those in branches pass until they are taken.
    """
    shapes: tuple[tuple[str, type[Any], Mapping[str, Any]], ...] = (
        ("filter", jinja.Filter, environment.filters),
        ("test", jinja.Test, environment.tests),
    )
    for kind, shape, known in shapes:
        for item in nodes.of(shape):
            if item.name not in known:
                message = f"there is no {kind} '{item.name}'"
                yield UnknownName(item.lineno, item.name, message, did_you_mean(item.name, known))
