"""What identifies this compiler: another one may compile the same node otherwise."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.resources
import platform
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from irc.ops.registry import ENTRY_POINTS
from irc.version import VERSION

_CHECKING = ("jinja2", "jsonschema", "pydantic")
"""Libraries that decide what of a node is right."""


@functools.cache
def fingerprint() -> str:
    """The digest of irc's own sources, Python, and what else decides what a node becomes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, file in _sources(importlib.resources.files("irc"), ""):
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    parts = [VERSION, platform.python_version()]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in _CHECKING]
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        dist = entry.dist
        parts.append(f"{entry.name} {entry.value} {dist.name if dist else ''} {dist.version if dist else ''}")
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _sources(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".py"):
            yield prefix + item.name, item
