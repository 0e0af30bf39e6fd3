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


def loaded_name(reference: str) -> str:
    """What an image is called that engines load from a file: they give it no digest, but a tag.

    Args:
        reference: ``[<registry>/]<name>@sha256:<digits>``.
    """
    repository, _, digest = reference.partition("@sha256:")
    local = repository if "/" in repository else f"localhost/{repository}"
    return f"{local}:{digest[:12]}"
