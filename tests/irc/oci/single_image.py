"""A layout of one image, for tests of what reads layouts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irc.oci.base import Platform
from irc.oci.image import Image, ImageLayer, write_image, write_layout


def write_single_image(
    root: Path,
    platform: Platform,
    layers: Sequence[ImageLayer],
    settings: Mapping[str, Any],
    annotations: Mapping[str, str],
) -> Image:
    """As ``write_image``, with the layout."""
    image = write_image(root, platform, layers, settings, annotations)
    write_layout(root, [image], {})
    return image
