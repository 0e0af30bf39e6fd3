"""An agent that is served from folders that go away, each version in the place of the one before."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irc.emit.agent import Compiled
from irc.pipeline import generate
from irc.running.overlay import environment, lay_over

LOOK_S = 0.25
"""How long a wait may go on before it looks whether irc is to end."""
STOP_TIMEOUT_S = 20.0
"""How long requests under way may take when the agent is asked to end."""
LINGER = "--reload_linger_s=1"
"""A version that is followed by another one has few callers, and its author waits for the next."""


class ServedAgent:
    """The process that serves an agent and takes new versions from a link: docs/reloading.md."""

    def __init__(self, source_root: Path, flags: Sequence[str]) -> None:
        """Args:
        source_root: what versions are laid over.
        flags: of the agent's server.
        """
        self._source_root = source_root
        self._flags = flags
        self._place = tempfile.TemporaryDirectory(prefix="irc-serve-")
        self._folder = Path(self._place.name).resolve()
        self._link = self._folder / "current"
        self._number = 0
        self._kept: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._pump: threading.Thread | None = None

    def take(self, compiled: Compiled, stopped: threading.Event) -> bool:
        """Have a version serve; False where it does not load, or irc is stopped."""
        self._number += 1
        version = self._folder / str(self._number)
        version.mkdir()
        lay_over(self._source_root, generate(compiled), version)
        beside = self._folder / "next"
        beside.symlink_to(version)
        beside.rename(self._link)
        if self._process is None:
            self._start(compiled.module)
        else:
            self._process.send_signal(signal.SIGHUP)  # look at once
        serves = self._comes_to_serve(version.name, stopped)
        self._clean_up(version, serves)
        return serves

    def _start(self, module: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", module, f"--reload_from=link:{self._link}"),
                *(LINGER, *self._flags),
            ],
            env=environment(self._link, self._source_root),
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for irc, which ends the agent in order
        )
        self._pump = threading.Thread(target=self._pass_on)
        self._pump.start()

    def _pass_on(self) -> None:
        """Hand what the agent writes to standard error on, and note its events."""
        assert self._process is not None and self._process.stderr is not None
        for line in self._process.stderr:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            try:
                written = json.loads(line)
            except ValueError:  # a traceback, or the author's own
                continue
            if isinstance(written, dict) and "event" in written:
                self._events.put(written)

    def _comes_to_serve(self, version: str, stopped: threading.Event) -> bool:
        """Wait for what becomes of a version; the first one is not said to take another's place."""
        while not stopped.is_set() and not self.has_ended:
            try:
                event = self._events.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if event["event"] == "serving" and self._number == 1:
                return True
            if event["event"] in ("switched", "reload_refused") and event.get("version") == version:
                return bool(event["event"] == "switched")
        return False

    def _clean_up(self, version: Path, serves: bool) -> None:
        """Keep what serves, and the version before it, which ends what it began."""
        if serves:
            self._kept.append(version)
        else:
            shutil.rmtree(version, ignore_errors=True)
        while len(self._kept) > 2:
            shutil.rmtree(self._kept.pop(0), ignore_errors=True)

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Ask it to finish what it answers, end it where that takes too long, and clean up."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            assert self._pump is not None and self._process.stderr is not None
            self._pump.join()
            self._process.stderr.close()
        self._place.cleanup()
