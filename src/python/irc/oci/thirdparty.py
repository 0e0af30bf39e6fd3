"""The third-party layers: a flat ``site-packages``, heavy distributions in layers of their own.

Which layer a distribution lies in depends on its own size alone. So a change of the lock moves the
layers of what changed, a heavy distribution is the same layer for every agent and in every
repository, and what is small moves with what is small.
"""

import os
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from irc.oci.blobs import Layer
from irc.oci.collisions import check_collisions, without_repetitions
from irc.oci.compression import Compression, compressor_version
from irc.oci.distributions import (
    Distribution,
    layer_entries,
    read_distributions,
    read_pex_info,
)
from irc.oci.errors import ImageError
from irc.oci.layer import Entry, write_layer

SITE_PACKAGES = "opt/agent/site-packages"

# A distribution with files of so many bytes, symbols included, has a layer of its own. Each layer adds its two digests,
# some 240 bytes, to what every edit of a flow pushes.
HEAVY_BYTES = 30_000_000
# The others share layers with those of their size: to each of these bounds, from above.
SHARED_BYTES = (1_000_000, 150_000, 0)
# Container engines take about 125 layers in all: beyond so many, heavy ones lie with the next size.
MAX_HEAVY = 100

# Compiling the largest module of kubernetes takes 120 MB: all processes together 190 MB, and 215 MB with zstd.
_MAX_WORKERS = 2


@dataclass(frozen=True)
class ThirdPartyLayer:
    """A layer, and the distributions in it as ``name==version``, by name."""

    layer: Layer
    distributions: tuple[str, ...]


@dataclass(frozen=True)
class ThirdParty:
    """What ``irc image deps`` made, as ``deps.json`` holds it.

    Attributes:
        python: the version of the interpreter that compiled the byte code.
        compressor: what the layers' bytes depend on besides.
        wheels: file names of what the distributions were installed from, by name.
        interpreter_constraints: of the PEX, any of which is enough.
    """

    layers: tuple[ThirdPartyLayer, ...]
    python: str
    compressor: str
    wheels: tuple[str, ...]
    interpreter_constraints: tuple[str, ...]

    @property
    def distributions(self) -> tuple[str, ...]:
        """All distributions, by name."""
        return tuple(sorted(name for item in self.layers for name in item.distributions))

    def to_json(self) -> dict[str, Any]:
        return {
            "layers": [
                {**item.layer.to_json(), "distributions": list(item.distributions)}
                for item in self.layers
            ],
            "python": self.python,
            "compressor": self.compressor,
            "wheels": list(self.wheels),
            "interpreter_constraints": list(self.interpreter_constraints),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "ThirdParty":
        layers = (
            ThirdPartyLayer(Layer.from_json(layer), tuple(layer["distributions"]))
            for layer in raw["layers"]
        )
        return cls(
            tuple(layers),
            raw["python"],
            raw["compressor"],
            tuple(raw["wheels"]),
            tuple(raw["interpreter_constraints"]),
        )


def group(distributions: Sequence[Distribution]) -> tuple[tuple[Distribution, ...], ...]:
    """One group a layer, each by name: heavy distributions alone, then the others by size."""
    by_size = sorted(distributions, key=lambda item: (-item.size, item.name))
    heavy = {item.name for item in by_size[:MAX_HEAVY] if item.size >= HEAVY_BYTES}
    groups: list[tuple[Distribution, ...]] = [
        (item,) for item in distributions if item.name in heavy
    ]
    rest = [item for item in distributions if item.name not in heavy]
    for bound in SHARED_BYTES:
        groups.append(tuple(item for item in rest if item.size >= bound))
        rest = [item for item in rest if item.size < bound]
    return tuple(filter(None, groups))


def build_third_party(
    pex: Path, output: Path, compression: Compression = "gzip"
) -> tuple[ThirdParty, tuple[str, ...]]:
    """Write the layers of a packed PEX into ``output``.

    Returns:
        What was built, and warnings (what two distributions both have).
    Raises:
        ImageError: the folder is not a packed PEX, an archive in it is damaged, two distributions
            have modules of one name, or the system has ended a process that writes layers.
    """
    # For whoever makes layers; `irc package`, which reads what was made, is quicker without.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    info = read_pex_info(pex)
    groups = group(read_distributions(pex))
    warnings = check_collisions(groups)
    workers = min(len(groups), len(os.sched_getaffinity(0)), _MAX_WORKERS)
    order = sorted(range(len(groups)), key=lambda i: -_work(groups[i]))
    with ProcessPoolExecutor(workers or 1) as pool:
        write = partial(_write, output, compression)
        written = pool.map(write, [groups[index] for index in order])
        try:
            layers = dict(zip(order, written, strict=True))
        except BrokenProcessPool:
            raise ImageError(
                "the system has ended a process that writes layers: for lack of memory, if nobody else"
            ) from None
    built = ThirdParty(
        tuple(
            ThirdPartyLayer(layers[index], tuple(item.requirement for item in items))
            for index, items in enumerate(groups)
        ),
        ".".join(map(str, sys.version_info[:3])),
        compressor_version(compression),
        tuple(sorted(info["distributions"])),
        tuple(info.get("interpreter_constraints") or ()),
    )
    return built, warnings


def _work(distributions: Sequence[Distribution]) -> int:
    """What writing a layer takes, in bytes: a module takes three times as long as another file."""
    return sum(
        checksum.size * (3 if name.endswith(".py") else 1)
        for item in distributions
        for name, checksum in item.files.items()
    )


def _write(output: Path, compression: Compression, distributions: Sequence[Distribution]) -> Layer:
    try:
        return write_layer(output, _entries(distributions, output), compression)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        names = ", ".join(item.archive.name for item in distributions)
        raise ImageError(f"damaged among {names}: {error}") from None


def _entries(distributions: Sequence[Distribution], scratch: Path) -> Iterator[Entry]:
    for distribution in without_repetitions(distributions):
        yield from layer_entries(distribution, SITE_PACKAGES, scratch)
