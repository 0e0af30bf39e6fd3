"""Tags: names that an image has in its repository, which may hold what is known of it."""

import re
import string
import subprocess
from collections.abc import Callable, Mapping

from irc.diagnostics import did_you_mean
from irc.oci.errors import ImageError

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

#: Digits of a digest or of a commit within a tag.
SHORT = 12


def filled(template: str, values: Mapping[str, Callable[[], str]]) -> str:
    """A tag with its values in place of ``{name}``.

    Args:
        values: what a tag may hold; asked for only where it does.
    Raises:
        ImageError: there is no such value, or the result is no tag.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise ImageError(f"the tag '{template}' is malformed: write '{{name}}'") from None
    text = ""
    for literal, name, form, conversion in parts:
        text += literal
        if name is None:
            continue
        if name not in values or form or conversion:
            known = ", ".join(f"{{{key}}}" for key in values)
            hint = did_you_mean(name, values) or f"there are {known}"
            raise ImageError(f"the tag '{template}' holds '{{{name}}}'\nhint: {hint}")
        text += values[name]()
    if not _TAG.fullmatch(text):
        raise ImageError(
            f"'{text}' is no tag\nhint: letters, digits, '_', '.' and '-', at most 128, "
            "not starting with '.' or '-'"
        )
    return text


def checked_out() -> str:
    """The commit that is checked out in the working folder.

    Raises:
        ImageError: there is none.
    """
    try:
        run = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=False)
    except FileNotFoundError:
        raise ImageError("a tag holds '{git_sha}', and git is not installed") from None
    if run.returncode != 0:
        raise ImageError("a tag holds '{git_sha}', and the working folder has no commit of git")
    return run.stdout.decode().strip()
