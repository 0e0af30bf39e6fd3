"""What docs/errors.md says of each code; the page ships with the package."""

from __future__ import annotations

import functools
import importlib.resources
import re
from dataclasses import dataclass

_PAGE = "errors.md"
_ANCHOR = re.compile(r'^<a id="[EW]\d+"></a>\n+', re.MULTILINE)
_SECTION = re.compile(r"^## (?P<code>[EW]\d{3})$", re.MULTILINE)


@dataclass(frozen=True)
class Explanation:
    """The section of a code, in Markdown, with a flow that fails and the same flow mended."""

    code: str
    text: str

    @property
    def summary(self) -> str:
        """The first paragraph below the title, on one line."""
        paragraphs = self.text.split("\n\n")
        return " ".join(paragraphs[2].split())


@functools.cache
def _sections() -> dict[str, str]:
    page = importlib.resources.files("irc").joinpath(_PAGE).read_text(encoding="utf-8")
    parts = _SECTION.split(_ANCHOR.sub("", page))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def explanation(code: str) -> Explanation:
    """The explanation of a code of ``irc.codes.CODES``."""
    return Explanation(code, f"## {code}\n\n{_sections()[code].strip()}\n")
