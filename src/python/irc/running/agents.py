"""Processes that serve an agent: one that answers, and the next one that stands by."""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from irc.emit.agent import Compiled
from irc.pipeline import generate
from irc.running.overlay import environment, lay_over

LOOK_S = 0.25
"""How long a wait may go on before it looks whether irc is to end."""
STOP_TIMEOUT_S = 20.0
"""How long requests under way may take when the agent is asked to end."""


class AgentProcess:
    """A version of an agent in a process of its own, with a folder that goes away with it."""

    def __init__(self, compiled: Compiled, source_root: Path, flags: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="irc-serve-")
        folder = Path(self._folder.name).resolve()
        lay_over(source_root, generate(compiled), folder)
        agent = (compiled.module, compiled.class_name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "irc_runtime.standby", *agent, *flags],
            env=environment(folder, source_root),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # Ctrl-C is for irc, which ends the agent in order
        )  # fmt: skip

    def is_ready(self, stopped: threading.Event) -> bool:
        """Wait until the agent stands by; False where it does not load, or irc is stopped."""
        stdout = self._process.stdout
        assert stdout is not None
        while not stopped.is_set():
            if select.select([stdout], [], [], LOOK_S)[0]:
                return stdout.readline() == "ready\n"
        return False

    def serve(self) -> None:
        """Let it take its port and answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.close()
        except BrokenPipeError:  # it has ended, which the next look at it tells
            pass

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Ask it to finish what it answers, end it where that takes too long, and clean up."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()
        self._folder.cleanup()
