"""What the IR's shapes say of layout: the order of keys, and what stands on one line."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any

from irc.ir.model import Edge, Flow, Operation, Port, Shape, Transform

ONE_LINE = (Port, Edge)
"""What is written as one line in brackets, where it fits."""

ROOT: tuple[Any, ...] = (Flow,)
"""The annotations of a whole flow."""


def is_one_line(annotations: tuple[Any, ...]) -> bool:
    return any(issubclass(item, ONE_LINE) for item in _shapes(annotations))


def key_order(annotations: tuple[Any, ...], keys: list[str]) -> list[str]:
    """Keys in the order of the language reference, others behind; as they are where any key goes."""
    known = [
        str(info.validation_alias or name)
        for shape in _shapes(annotations)
        for name, info in shape.model_fields.items()
    ]
    place = {key: index for index, key in reversed(list(enumerate(known)))}
    return sorted(keys, key=lambda key: place.get(key, len(place)))


def below(annotations: tuple[Any, ...], key: str | None) -> tuple[Any, ...]:
    """The annotations of what stands below a key, or in a list (None)."""
    found: list[Any] = []
    for item in _members(annotations):
        arguments = typing.get_args(item)
        origin = typing.get_origin(item)
        if isinstance(item, type) and not arguments and issubclass(item, Shape):
            if item is Transform and key == "spec":
                found.append(Operation)  # a field of any value: its other forms have one key
            found += [
                info.annotation
                for name, info in item.model_fields.items()
                if key == str(info.validation_alias or name)
            ]
        elif (origin is list and key is None) or (origin is dict and key is not None):
            found.append(arguments[-1])
    return tuple(found)


def _shapes(annotations: tuple[Any, ...]) -> list[type[Shape]]:
    return [
        item
        for item in _members(annotations)
        if isinstance(item, type) and not typing.get_args(item) and issubclass(item, Shape)
    ]


def _members(annotations: tuple[Any, ...]) -> list[Any]:
    """The alternatives of annotations."""
    found: list[Any] = []
    for item in annotations:
        origin = typing.get_origin(item)
        if origin is Annotated:
            found += _members(typing.get_args(item)[:1])
        elif origin in {typing.Union, types.UnionType}:
            found += _members(typing.get_args(item))
        else:
            found.append(item)
    return found
