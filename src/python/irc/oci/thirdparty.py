"""The third-party layers: a flat ``site-packages``, heavy distributions in layers of their own.

A change of the lock then moves the layers of what changed, and builds with other requirements
share the heavy ones.
"""

import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from irc.oci.blobs import Layer
from irc.oci.distributions import (
    Distribution,
    layer_entries,
    read_distributions,
    without_duplicates,
)
from irc.oci.layer import Entry, write_layer

SITE_PACKAGES = "opt/agent/site-packages"

HEAVY_BYTES = 5_000_000
MAX_HEAVY = 20


@dataclass(frozen=True)
class ThirdParty:
    """What ``irc image deps`` made, as ``deps.json`` holds it."""

    layers: tuple[Layer, ...]
    python: str
    zlib: str
    distributions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "layers": [layer.to_json() for layer in self.layers],
            "python": self.python,
            "zlib": self.zlib,
            "distributions": list(self.distributions),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "ThirdParty":
        return cls(
            tuple(Layer.from_json(layer) for layer in raw["layers"]),
            raw["python"],
            raw["zlib"],
            tuple(raw["distributions"]),
        )


def group(distributions: Sequence[Distribution]) -> tuple[tuple[Distribution, ...], ...]:
    """One group a layer: each heavy distribution alone, by name, then all others together."""
    by_size = sorted(distributions, key=lambda item: (-item.size, item.name))
    heavy = {item.name for item in by_size[:MAX_HEAVY] if item.size >= HEAVY_BYTES}
    light = tuple(item for item in distributions if item.name not in heavy)
    groups = [(item,) for item in distributions if item.name in heavy]
    return (*groups, light) if light else tuple(groups)


def build_third_party(pex: Path, output: Path) -> tuple[ThirdParty, tuple[str, ...]]:
    """Write the layers of a packed PEX and ``deps.json`` into ``output``.

    Returns:
        What was built, and warnings (files that two distributions both have).
    Raises:
        ImageError: the folder is not a packed PEX.
    """
    distributions, warnings = without_duplicates(read_distributions(pex))
    groups = group(distributions)
    workers = min(len(groups), len(os.sched_getaffinity(0)))
    order = sorted(range(len(groups)), key=lambda i: -sum(item.size for item in groups[i]))
    layers: dict[int, Layer] = {}
    with ProcessPoolExecutor(workers or 1) as pool:
        written = pool.map(partial(_write, output), [groups[index] for index in order])
        for index, layer in zip(order, written, strict=True):
            layers[index] = layer
    built = ThirdParty(
        tuple(layers[index] for index in range(len(groups))),
        ".".join(map(str, sys.version_info[:3])),
        zlib.ZLIB_RUNTIME_VERSION,
        tuple(item.requirement for item in distributions),
    )
    return built, warnings


def _write(output: Path, distributions: Sequence[Distribution]) -> Layer:
    return write_layer(output, _entries(distributions))


def _entries(distributions: Sequence[Distribution]) -> Iterator[Entry]:
    for distribution in distributions:
        yield from layer_entries(distribution, SITE_PACKAGES)
