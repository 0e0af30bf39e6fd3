"""YAML as plain values, safe for a process that must not fall: the engine's.

PyYAML's composer recurses in C, so that deep nesting ends the process, and libyaml's scanner takes a
time that grows with the square of the depth; here nothing recurses, and there is a limit. Every scalar
is a string. An alias is the very object that it names, so that no document grows.
"""

from __future__ import annotations

from typing import Any

import yaml

# As many levels as the compiler takes, and more.
MAX_DEPTH = 200


def load_yaml(content: bytes) -> Any:
    """The first document, as dicts, lists and strings; None where there is none.

    Raises:
        yaml.YAMLError: not YAML, or nested deeper than MAX_DEPTH.
    """
    documents: list[Any] = []
    # The containers that are open, and for each the key that waits for its value.
    containers: list[Any] = [documents]
    keys: list[str | None] = [None]
    anchored: dict[str, Any] = {}
    # Its stubs leave `parse` untyped.
    for event in yaml.parse(content, Loader=yaml.CBaseLoader):  # type: ignore[no-untyped-call]
        if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            containers.pop()
            keys.pop()
            continue
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = event.value
        elif isinstance(event, yaml.AliasEvent):
            value = anchored.get(event.anchor)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = []
        elif isinstance(event, yaml.MappingStartEvent):
            value = {}
        else:
            continue
        if event.anchor is not None and not isinstance(event, yaml.AliasEvent):
            anchored[event.anchor] = value
        container = containers[-1]
        if isinstance(container, list):
            container.append(value)
        elif keys[-1] is None:
            # A key that is no string can hold nothing that a flow refers to.
            keys[-1] = value if isinstance(value, str) else ""
        else:
            container[keys[-1]] = value
            keys[-1] = None
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            if len(containers) > MAX_DEPTH:
                raise yaml.YAMLError(f"more than {MAX_DEPTH} levels")
            containers.append(value)
            keys.append(None)
    return documents[0] if documents else None
