"""Documents that one command of irc writes and another one reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from irc.oci.errors import ImageError

Document = TypeVar("Document")


def read_text(path: Path) -> str:
    """A text.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error


def read_json(path: Path, parse: Callable[[Any], Document]) -> Document:
    """A document, as ``parse`` makes it of its JSON.

    Raises:
        ImageError: it cannot be read, or is of another form.
    """
    try:
        return parse(json.loads(read_text(path)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{path}: not as this version of irc writes it ({error!r})") from error
