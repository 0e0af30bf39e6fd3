"""The one thing of a manifest that every edit of a flow changes: the digest of its image."""

from typing import Any

#: Stands in a manifest for the reference to the image.
PLACEHOLDER = "${IMAGE}"


def with_image(document: Any, reference: str) -> Any:
    """The document with the reference in place of every placeholder."""
    if isinstance(document, dict):
        return {key: with_image(value, reference) for key, value in document.items()}
    if isinstance(document, list):
        return [with_image(item, reference) for item in document]
    return reference if document == PLACEHOLDER else document
