"""What ``image.json`` of a package says of its image."""

import json
from pathlib import Path
from typing import Any

from irc.oci.errors import ImageError


def described_image(package: Path) -> dict[str, Any]:
    """The document.

    Raises:
        ImageError: there is none.
    """
    path = package / "image.json"
    try:
        described: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise ImageError(f"{package} holds no image: package the agent first") from None
    return described


def attested_images(package: Path) -> list[tuple[Path, str]]:
    """The image for each platform: the folder of what is attached to it, and its manifest's digest.

    Raises:
        ImageError: as ``described_image``.
    """
    described = described_image(package)
    if "images" not in described:
        return [(package, described["manifest_digest"])]
    return [
        (platform_folder(package, image["platform"]), image["manifest_digest"])
        for image in described["images"]
    ]


def platform_folder(package: Path, platform: str) -> Path:
    """Where a package of several platforms has what is of one alone."""
    return package / "platforms" / platform.replace("/", "-")


def loaded_name(reference: str) -> str:
    """What an image is called that engines load from a file: they give it no digest, but a tag.

    Args:
        reference: ``[<registry>/]<name>@sha256:<digits>``.
    """
    repository, _, digest = reference.partition("@sha256:")
    local = repository if "/" in repository else f"localhost/{repository}"
    return f"{local}:{digest[:12]}"
