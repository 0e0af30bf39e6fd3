"""A thread that notices when the event loop stands still, as code does that computes or blocks.

Nothing is answered then, probes included. Where several workers share a port, the others answer the
probes; so a process whose loop does not come back ends by itself.
"""

import asyncio
import os
import sys
import threading
import time

from irc_runtime.events import ERROR, INFO, event
from irc_runtime.line_map import origin_of

#: Seconds between two beats of the loop, and between two looks at them.
BEAT_S = 0.25

#: Seconds without a beat after which it is told.
NOTICE_S = 2.0


class Watchdog:
    """Watches the event loop of the thread that it is made in.

    Args:
        agent: the agent's name, for events.
        limit_s: seconds without a beat after which the process ends with status 1.
    """

    def __init__(self, agent: str, limit_s: float) -> None:
        self._agent = agent
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._beats = 0
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch until ``stop``."""
        self._beat()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _beat(self) -> None:
        self._beats += 1
        if not self._ended.is_set():
            self._loop.call_later(BEAT_S, self._beat)

    def _watch(self) -> None:
        """Count the seconds without a beat; time in which this thread did not run is not counted."""
        seen, still_s, told = 0, 0.0, False
        while not self._ended.is_set():
            began = time.monotonic()
            self._ended.wait(BEAT_S)
            if self._beats != seen:
                if told:
                    event(INFO, "event_loop_free", agent=self._agent, blocked_s=round(still_s, 1))
                seen, still_s, told = self._beats, 0.0, False
                continue
            still_s += min(time.monotonic() - began, 2 * BEAT_S)
            if still_s >= NOTICE_S and not told:
                event(ERROR, "event_loop_blocked", agent=self._agent, **self._place())
                told = True
            if still_s >= self._limit_s:
                event(ERROR, "event_loop_stuck", agent=self._agent, **self._place())
                os._exit(1)

    def _place(self) -> dict[str, str]:
        """Where the loop's thread is: ``at``, a module's line, and ``location``, the flow's."""
        frame = innermost = sys._current_frames()[self._thread_id]
        place = {"at": f"{innermost.f_globals.get('__name__')}:{innermost.f_lineno}"}
        while (origin := origin_of(frame, frame.f_lineno)) is None and frame.f_back is not None:
            frame = frame.f_back
        if origin is not None:
            place["location"] = f"{origin.file}:{origin.line}"
        return place
