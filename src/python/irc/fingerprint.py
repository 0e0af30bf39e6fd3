"""What identifies this compiler: another one may compile the same node otherwise."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.resources
import platform
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from irc.ops.packages import offers, package, sources
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
    for entry in (entry for entries in offers().values() for entry in entries):
        parts.append(f"{entry.name} {entry.value} {package(entry)}")
        # Where a package is being worked on, its version stays and its sources do not.
        for name, path in sorted(sources(entry)):
            parts.append(f"{name} {hashlib.blake2b(path.read_bytes()).hexdigest()}")
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _sources(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".py"):
            yield prefix + item.name, item
