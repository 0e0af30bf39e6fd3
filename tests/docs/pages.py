"""The pages below ``docs/``, read as what they show: flows, and what the compiler says of them."""

import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from irc.files import write_files
from irc.pipeline import Result, check, generate
from irc.render.text import render_text

ERRORS = Path("docs/errors.md")
LANGUAGE = Path("docs/language.md")

#: The name that the flows of the pages go by.
FLOW = "flow.yaml"

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A block of code; ``info`` is what stands behind the opening marks, as ``yaml fails``."""

    info: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section of the second level, with its blocks of code in order."""

    title: str
    text: str
    fences: tuple[Fence, ...]

    def fence(self, info: str) -> Fence:
        """The only block of that kind."""
        (found,) = [fence for fence in self.fences if fence.info == info]
        return found


def sections(page: Path) -> Iterator[Section]:
    """The sections of a page, in order."""
    _, *parts = re.split(r"^(?=## )", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for part in parts:
        title = _SECTION.match(part)
        assert title is not None
        yield Section(title["title"], part, tuple(fences(part)))


def fences(text: str) -> Iterator[Fence]:
    """The blocks of code of a text, in order."""
    for match in _FENCE.finditer(text):
        yield Fence(match["info"], match["text"])


def check_text(flow: str | bytes) -> Result:
    """Check a flow that stands alone: no other file is there to be read."""
    content = flow.encode() if isinstance(flow, str) else flow

    def read(name: str) -> bytes:
        if name != FLOW:
            raise FileNotFoundError(2, "No such file or directory")
        return content

    return check(FLOW, read)


def rendered(result: Result) -> str:
    """The findings as the command line shows them."""
    return render_text(result.report, result.sources)


def run_generated_tests(result: Result, folder: Path) -> int:
    """Run the tests that the compiler generates for a flow; gives their number."""
    assert result.compiled is not None
    write_files(folder, generate(result.compiled))
    agent = runpy.run_path(str(folder / "agent.py"), run_name="agent")
    with patch.dict("sys.modules", agent=SimpleNamespace(**agent)):
        module = runpy.run_path(str(folder / "test_agent.py"))
    tests = [value for name, value in module.items() if name.startswith("test_")]
    number = 0
    for test in tests:
        for arguments in _arguments(test):
            test(*arguments)
            number += 1
    return number


def _arguments(test: Any) -> list[tuple[Any, ...]]:
    """The arguments of each call of a test: one call without any, or those of its ``parametrize``."""
    marks = getattr(test, "pytestmark", [])
    return [(value,) for value in marks[0].args[1]] if marks else [()]
