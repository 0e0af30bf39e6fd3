"""Following the edits of a flow: a better version takes the place of the one that answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from irc.emit.agent import emit_agent
from irc.pipeline import Result, check
from irc.running.agents import ServedAgent

LOOK_MS = 250
"""After so long without an event files are looked at all the same, and so is the agent."""

Tell = Callable[[str], None]


class Follower:
    """Serves a flow and follows the files that it is made of.

    Attributes:
        files: what was in the files that were read; None where there was none.
    """

    def __init__(
        self,
        flow: str,
        source_root: str,
        flags: Sequence[str],
        report: Callable[[Result], bool],
        tell: Tell,
    ) -> None:
        """Args:
        flags: of the agent's server.
        report: tells the findings of a flow; True where none is an error.
        tell: tells a line.
        """
        self.flow = flow
        self.source_root = source_root
        self.report = report
        self.tell = tell
        self.agent = ServedAgent(Path(source_root), flags)
        self.files: dict[Path, bytes | None] = {}

    def update(self, stopped: threading.Event) -> bool:
        """Compile what stands in the files; False where that does not compile or load."""

        def read(name: str) -> bytes:
            self._note(Path(name))
            return Path(name).read_bytes()

        result = check(self.flow, read, self.source_root, with_tests=False)
        if not self.report(result) or result.compiled is None:
            return False
        for path in self._modules(emit_agent(result.compiled).imports):
            self._note(path)
        return self.agent.take(result.compiled, stopped)

    def _note(self, path: Path) -> None:
        self.files[path.resolve()] = _content(path)

    def _modules(self, imports: Sequence[str]) -> list[Path]:
        """The files of first-party modules that the agent imports."""
        paths = [Path(self.source_root, *name.split(".")) for name in imports]
        candidates = [
            file for path in paths for file in (path.with_suffix(".py"), path / "__init__.py")
        ]
        return [file for file in candidates if file.is_file()]

    def follow(self, stopped: threading.Event) -> bool:
        """Update after each change, until stopped; False where the agent ended by itself."""
        from watchfiles import watch

        while not stopped.is_set():
            folders = {file.parent for file in self.files if file.parent.is_dir()}
            for _ in watch(
                *folders, watch_filter=None, recursive=False, stop_event=stopped,
                rust_timeout=LOOK_MS, yield_on_timeout=True, raise_interrupt=False,
            ):  # fmt: skip
                if self.agent.has_ended:
                    return False
                if any(_content(path) != known for path, known in self.files.items()):
                    self._change(stopped)
                    break  # other files may matter now
        return True

    def _change(self, stopped: threading.Event) -> None:
        if self.update(stopped):
            self.tell(f"{self.flow} has changed: the new version takes over")
        elif not stopped.is_set() and not self.agent.has_ended:
            self.tell(f"{self.flow} has changed for the worse: the former version still answers")

    def close(self) -> None:
        """End the agent."""
        self.agent.stop()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
