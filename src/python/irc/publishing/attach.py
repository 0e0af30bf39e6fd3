"""Attaching bills of materials and provenance to an image, so that whoever has it finds them.

A registry with the referrers API knows of them by the ``subject`` of their manifests. For the others a
list of them is kept under a tag made of the image's digest; it is kept everywhere, since skopeo does not
tell which registries need it.
https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#referrers-tag-schema
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from irc.attestations.document import encoded
from irc.oci.blobs import MEDIA_TYPE_INDEX
from irc.oci.errors import ImageError
from irc.publishing.registry import Registry

_LAYOUT = "attestations"
_NAME = "org.opencontainers.image.ref.name"

Descriptor = dict[str, Any]


def attestations(folder: Path) -> dict[str, Descriptor]:
    """Descriptors of what goes with an image, by name.

    Args:
        folder: of a package, or of one of its platforms.
    Raises:
        ImageError: there is nothing.
    """
    try:
        index = json.loads((folder / _LAYOUT / "index.json").read_bytes())
    except (OSError, ValueError):
        raise ImageError(f"{folder} holds no attestations: package the agent anew") from None
    found = {}
    for entry in index["manifests"]:
        annotations = dict(entry["annotations"])
        found[annotations.pop(_NAME)] = {**entry, "annotations": annotations}
    return found


def attach(folder: Path, repository: str, digest: str, registry: Registry) -> bool:
    """Push what goes with an image that is there, unless it is listed already.

    Args:
        folder: as of ``attestations``.
        digest: of the image.
    Returns:
        Whether anything was pushed.
    Raises:
        ImageError: the registry does not take it, or the list cannot be kept.
    """
    reference = f"{repository}:{digest.replace(':', '-')}"
    index = referrers(reference, registry)
    listed = {entry["digest"] for entry in index["manifests"]}
    missing = {
        name: entry for name, entry in attestations(folder).items() if entry["digest"] not in listed
    }
    for name, entry in missing.items():
        by_digest = f"{repository}@{entry['digest']}"
        if registry.digest(by_digest) != entry["digest"]:
            registry.push_artifact(folder / _LAYOUT, name, entry["digest"], by_digest)
    if missing:
        _list(index, list(missing.values()), reference, registry)
    return bool(missing)


def referrers(reference: str, registry: Registry) -> dict[str, Any]:
    """The list of what refers to an image, by its tag; an empty one where there is none.

    Raises:
        ImageError: the tag names something else, or the registry answers with something else.
    """
    raw = registry.manifest(reference)
    if raw is None:
        return {"schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": []}
    try:
        index: dict[str, Any] = json.loads(raw)
        is_index = all(isinstance(entry["digest"], str) for entry in index["manifests"])
    except (KeyError, TypeError, ValueError):
        is_index = False
    if not is_index:
        raise ImageError(
            f"{reference}: this tag is for the list of what refers to the image, and names no index\n"
            f"hint: look at it with 'skopeo inspect --raw docker://{reference}'; what is no answer of "
            "a registry comes from a proxy before it"
        )
    return index


def _list(
    index: dict[str, Any], added: list[Descriptor], reference: str, registry: Registry
) -> None:
    """Write the list with what is added; what other tools put there stays as it is."""
    others = index["manifests"]
    with tempfile.TemporaryDirectory(prefix="irc-referrers-") as name:
        made = registry.rewritten_index(
            encoded({**index, "manifests": [*others, *added]}), Path(name)
        )
        if json.loads(made)["manifests"][: len(others)] != others:
            raise ImageError(
                f"{reference}: this skopeo would take fields from what other tools have attached\n"
                "hint: publish with a newer skopeo, which knows 'artifactType'"
            )
        registry.push_index(Path(name), reference)
    held = {entry["digest"] for entry in referrers(reference, registry)["manifests"]}
    if not held.issuperset(entry["digest"] for entry in (*others, *added)):
        raise ImageError(f"{reference}: the registry does not hold the list that it was sent")
