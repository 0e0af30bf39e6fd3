"""Images: a configuration, a manifest, and the layout that carries them.

The documents follow the OCI image specification 1.1; keys are sorted and nothing depends on when
or where they are written.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from irc.files import write_files
from irc.oci.base import Platform
from irc.oci.blobs import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    Layer,
    write_blob,
)
from irc.oci.clock import rfc3339, source_date_epoch

TAG = "latest"

Role = Literal["base", "third-party", "first-party", "flow"]

# Of the manifest: roles from the lowest layer up and how many layers have each, as
# "base:1,third-party:9,first-party:1,flow:1". It is pushed with every edit, hence so short.
ROLES_ANNOTATION = "irc.layers"


@dataclass(frozen=True)
class ImageLayer:
    """A layer and what it holds, in a word."""

    layer: Layer
    role: Role


@dataclass(frozen=True)
class Image:
    """A written image; ``size`` is that of manifest, configuration and layers, in bytes."""

    platform: Platform
    manifest: Descriptor
    config: Descriptor
    layers: tuple[ImageLayer, ...]

    @property
    def size(self) -> int:
        layers = sum(item.layer.size for item in self.layers)
        return self.manifest.size + self.config.size + layers


def write_image(
    root: Path,
    platform: Platform,
    layers: Sequence[ImageLayer],
    settings: Mapping[str, Any],
    annotations: Mapping[str, str],
) -> Image:
    """Write configuration and manifest of an image into the layout at ``root``.

    The optional history is left out: it would be pushed again with every edit.

    Args:
        layers: from the lowest up; their blobs may lie elsewhere.
        settings: ``config`` of the OCI configuration: user, environment, entry point and so on.
        annotations: of the manifest.
    """
    created = rfc3339(source_date_epoch())
    config = write_blob(
        root,
        MEDIA_TYPE_CONFIG,
        _encode(
            {
                **platform.to_oci(),
                "created": created,
                "config": dict(settings),
                "rootfs": {"type": "layers", "diff_ids": [item.layer.diff_id for item in layers]},
            }
        ),
    )
    manifest = write_blob(
        root,
        MEDIA_TYPE_MANIFEST,
        _encode(
            {
                "schemaVersion": 2,
                "mediaType": MEDIA_TYPE_MANIFEST,
                "config": config.to_oci(),
                "layers": [item.layer.descriptor.to_oci() for item in layers],
                "annotations": {
                    **annotations,
                    ROLES_ANNOTATION: _roles(layers),
                },
            }
        ),
    )
    return Image(platform, manifest, config, tuple(layers))


def write_layout(root: Path, images: Sequence[Image], annotations: Mapping[str, str]) -> Descriptor:
    """Make a layout of written images: of the only one, or of an index of one for each platform.

    Args:
        annotations: of the index.
    Returns:
        The manifest, or the index.
    """
    entries = [{**item.manifest.to_oci(), "platform": item.platform.to_oci()} for item in images]
    named = images[0].manifest
    if len(images) > 1:
        named = write_blob(
            root, MEDIA_TYPE_INDEX, _encode({**_index(entries), "annotations": dict(annotations)})
        )
        entries = [named.to_oci()]
    index = _index([{**entries[0], "annotations": {"org.opencontainers.image.ref.name": TAG}}])
    # The index last: a layout without one is none.
    for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index)):
        write_files(root, {name: _encode(document).decode()})
    return named


def _index(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md"""
    return {"schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": list(entries)}


def merged_environment(base: Sequence[str], own: Mapping[str, str]) -> list[str]:
    """``NAME=value`` lines of the base, in its order, overridden and followed by one's own."""
    merged = dict(line.split("=", 1) for line in base if "=" in line) | dict(own)
    return [f"{name}={value}" for name, value in merged.items()]


def _roles(layers: Sequence[ImageLayer]) -> str:
    runs = itertools.groupby(layers, key=lambda item: item.role)
    return ",".join(f"{role}:{len(list(run))}" for role, run in runs)


def read_roles(annotation: str) -> list[str]:
    """The role of each layer, from the lowest up.

    Raises:
        ValueError: not as an image of irc has it.
    """
    runs = (run.partition(":") for run in annotation.split(","))
    return [role for role, _, count in runs for _ in range(int(count))]


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
