"""Images as a comparison sees them: their documents, and layers that are read when they are asked for."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irc.oci.base import Platform
from irc.oci.blobs import MEDIA_TYPE_CONFIG, MEDIA_TYPE_LAYER_TAR
from irc.oci.errors import ImageError
from irc.oci.image import ROLES_ANNOTATION, read_roles
from irc.oci.sources import ArchiveSource, Source, read_document

_CONFIGS = frozenset({MEDIA_TYPE_CONFIG, "application/vnd.docker.container.image.v1+json"})


@dataclass(frozen=True)
class LayerView:
    """A layer; ``name`` is what its source opens, ``role`` is None where the image tells none."""

    name: str
    media_type: str
    diff_id: str
    size: int | None
    role: str | None


@dataclass(frozen=True)
class ImageView:
    """An image for one platform; ``digest`` is that of the manifest, or of Docker's configuration."""

    digest: str
    config: Mapping[str, Any]
    annotations: Mapping[str, str]
    layers: tuple[LayerView, ...]


@dataclass(frozen=True)
class SourceView:
    """All that a layout, an archive or a reference holds.

    Attributes:
        images: by platform.
        others: digests of what is no image, such as a bill of materials, by its type.
    """

    source: Source
    images: Mapping[str, ImageView]
    others: Mapping[str, tuple[str, ...]]


def read_source(source: Source, digest: str | None) -> SourceView:
    """Read the documents of a source.

    Args:
        digest: of one image or index in it; else all that its index lists.
    Raises:
        ImageError: a document is missing, damaged, or not that of an image.
    """
    try:
        if isinstance(source, ArchiveSource) and "oci-layout" not in source.names:
            return _read_docker_archive(source)
        return _read_layout(source, digest)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ImageError(f"its documents are not those of an image ({error!r})") from error


def layout_of(place: str) -> str:
    """The folder of the layout where a place is the folder that ``package`` left behind."""
    inner = Path(place) / "image"
    return str(inner) if (inner / "oci-layout").is_file() else place


def _read_layout(source: Source, digest: str | None) -> SourceView:
    images: dict[str, ImageView] = {}
    others: dict[str, list[str]] = {}
    entries = [{"digest": digest}] if digest else read_document(source, "index.json")["manifests"]
    waiting = list(entries)
    seen = set()
    while waiting:
        entry = waiting.pop(0)
        if entry["digest"] in seen:  # one image may have two names
            continue
        seen.add(entry["digest"])
        document = json.loads(_checked(source, entry["digest"]))
        if "manifests" in document:
            waiting += document["manifests"]
        elif document["config"]["mediaType"] in _CONFIGS and "subject" not in document:
            _add_image(images, entry["digest"], document, source)
        else:
            kind = document.get("artifactType") or document["config"]["mediaType"]
            others.setdefault(kind, []).append(entry["digest"])
    return SourceView(
        source, images, {kind: tuple(sorted(found)) for kind, found in others.items()}
    )


def _add_image(
    images: dict[str, ImageView], digest: str, manifest: dict[str, Any], source: Source
) -> None:
    config = json.loads(_checked(source, manifest["config"]["digest"]))
    platform = str(Platform.from_oci(config))
    if platform in images:
        raise ImageError(f"holds several images for {platform}: name one by @sha256:<digest>")
    annotations = manifest.get("annotations") or {}
    layers = manifest["layers"]
    written = annotations.get(ROLES_ANNOTATION)
    roles = [None] * len(layers) if written is None else read_roles(written)
    diff_ids = config["rootfs"]["diff_ids"]
    images[platform] = ImageView(
        digest,
        config,
        annotations,
        tuple(
            LayerView(raw["digest"], raw["mediaType"], diff_id, raw["size"], role)
            for raw, diff_id, role in zip(layers, diff_ids, roles, strict=True)
        ),
    )


def _read_docker_archive(source: ArchiveSource) -> SourceView:
    images = {}
    for raw in read_document(source, "manifest.json"):
        with source.open(raw["Config"]) as file:
            data = file.read()
        config = json.loads(data)
        layers = zip(raw["Layers"], config["rootfs"]["diff_ids"], strict=True)
        images[str(Platform.from_oci(config))] = ImageView(
            f"sha256:{hashlib.sha256(data).hexdigest()}",
            config,
            {},
            tuple(
                LayerView(name, MEDIA_TYPE_LAYER_TAR, diff_id, None, None)
                for name, diff_id in layers
            ),
        )
    return SourceView(source, images, {})


def _checked(source: Source, digest: str) -> bytes:
    with source.open(digest) as file:
        data = file.read()
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise ImageError(f"blob {digest} is damaged: it has another content")
    return data
