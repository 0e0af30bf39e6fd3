"""References in the arguments of operations: ``${port.key[0]}``, ``${context.field}``, ``${env.NAME}``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_BODY = re.compile(
    r"\s*(?P<root>[A-Za-z_]\w*)(?P<path>(?:\.[A-Za-z_]\w*|\[\d+\]|\[-\d+\]|\['[^']*'\]|\[\"[^\"]*\"\])*)\s*\Z"
)
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(-?\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


@dataclass(frozen=True)
class Reference:
    """One ``${…}``.

    Attributes:
        root: an input port, ``context`` or ``env``.
        path: the keys and indices behind it.
        start, end: where it stands in the text, in characters.
    """

    root: str
    path: tuple[str | int, ...]
    start: int
    end: int

    @property
    def last_name(self) -> str:
        """The last name in it: the column that ``key: "${user_id}"`` means."""
        names = [step for step in self.path if isinstance(step, str)]
        return names[-1] if names else self.root


def find_references(text: str, malformed: Callable[[int, int], None]) -> list[Reference]:
    """The references of a text, in order; ``malformed`` is told of each that cannot be read."""
    found: list[Reference] = []
    for match in REFERENCE.finditer(text):
        body = _BODY.match(match[1])
        if body is None:
            malformed(*match.span())
            continue
        steps: list[str | int] = []
        for step in _STEP.finditer(body["path"]):
            name, index, single, double = step.groups()
            steps.append(int(index) if index is not None else name or single or double or "")
        found.append(Reference(body["root"], tuple(steps), *match.span()))
    opened = REFERENCE.sub(lambda match: " " * len(match[0]), text)
    at = opened.find("${")
    if at >= 0:
        malformed(at, len(text))
    return found


def is_single(text: str, references: list[Reference]) -> bool:
    """Whether the text is one reference and nothing else, so that it keeps the value's type."""
    return len(references) == 1 and references[0].start == 0 and references[0].end == len(text)
