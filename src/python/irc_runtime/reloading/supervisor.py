"""The process that keeps an agent served while its versions change."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from irc_runtime.events import ERROR, INFO, WARNING, event
from irc_runtime.reloading.child import Child, discard
from irc_runtime.reloading.version import Version, VersionError
from irc_runtime.reloading.watcher import Watcher

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True)
class Settings:
    """How a supervisor goes about it.

    Attributes:
        look_s: seconds between two looks; a version is taken once two looks agree.
        load_timeout_s: seconds in which a new version must be ready, its cases included.
        probation_s: seconds after a switch in which a version that dies gives way to the former one.
        checks_contract: whether a new version may require no more of a request than the one before.
    """

    look_s: float = 1.0
    load_timeout_s: float = 120.0
    probation_s: float = 60.0
    checks_contract: bool = True


class Supervisor:
    """Starts versions, switches between them, and ends as the agent does.

    There are at most two children: a next version is only looked for once the former one, which
    finishes what it began, has ended.
    """

    def __init__(
        self,
        watcher: Watcher,
        own: Version | None,
        listener: socket.socket,
        start: Callable[[Version], Child],
        settings: Settings,
    ) -> None:
        """Args:
        watcher: finds new versions.
        own: the version to begin with where there is no newer one.
        listener: the socket that children take connections from.
        start: starts a child.
        """
        self._watcher = watcher
        self._fallbacks = [] if own is None else [own]
        self._listener = listener
        self._start = start
        self._settings = settings
        self._candidate: Child | None = None
        self._serving: Child | None = None
        self._former: Child | None = None
        self._copies: list[Version] = []
        self._probation_ends_s = 0.0
        self._next_look_s = 0.0
        self._is_asked_to_look = True
        self._is_stopping = False
        self._status: int | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until a signal, or until the agent ends by itself; returns the exit status."""
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for handled in SIGNALS:
            signal.signal(handled, lambda number, frame: None)  # its number comes by the socket
        self._selector.register(woken, selectors.EVENT_READ)
        self._look()
        if self._candidate is None:
            self._fall_back("there is no version that could serve")
        while self._status is None:
            wait_s = max(0.0, self._next_look_s - time.monotonic())
            for key, _ in self._selector.select(wait_s):
                if key.fileobj is woken:
                    for number in woken.recv(4096):
                        self._on_signal(number)
                else:
                    self._on_messages(key.data)
            self._on_time()
        for version in self._copies:
            discard(version)
        return self._status

    def _children(self) -> list[Child]:
        return [x for x in (self._candidate, self._serving, self._former) if x is not None]

    def _discard_unused(self) -> None:
        used = [child.version for child in self._children()] + self._fallbacks
        for version in [x for x in self._copies if x not in used]:
            discard(version)
            self._copies.remove(version)

    # Finding and starting versions

    def _on_time(self) -> None:
        now_s = time.monotonic()
        child, limit_s = self._candidate, self._settings.load_timeout_s
        # Where nothing else could serve, whoever started the agent decides how long it may take.
        has_others = self._serving is not None or self._fallbacks
        if child is not None and has_others and now_s - child.started_s > limit_s:
            self._refuse(child, f"it was not ready within {limit_s:g} s")
        if now_s >= self._next_look_s:
            self._next_look_s = now_s + self._settings.look_s
            self._look()

    def _look(self) -> None:
        is_former_there = self._former is not None and self._former.status is None
        if self._candidate is not None or is_former_there or self._is_stopping:
            return
        at_once, self._is_asked_to_look = self._is_asked_to_look, False
        try:
            version = self._watcher.look(at_once=at_once)
        except VersionError as error:
            event(ERROR, "reload_refused", reason=str(error), hint=error.hint)
            return
        if version is None:
            return
        known = self._fallbacks if self._serving is None else [self._serving.version]
        if version.digest in [other.digest for other in known]:
            discard(version)
            self._watcher.take()
            return
        if version.is_copy:
            self._copies.append(version)
        self._begin(version)

    def _begin(self, version: Version) -> None:
        self._candidate = child = self._start(version)
        self._selector.register(child.control, selectors.EVENT_READ, child)

    def _fall_back(self, reason: str) -> None:
        """Start the next of the versions that there are besides; end where there is none."""
        if self._fallbacks:
            self._begin(self._fallbacks.pop(0))
        else:
            event(ERROR, "agent_ended", reason=reason)
            self._status = 1

    # What children say

    def _on_messages(self, child: Child) -> None:
        for message in child.messages():
            match message["event"]:
                case "ready" if child is self._candidate:
                    child.told = message
                    reason = self._objection(child)
                    if reason is None:
                        child.tell("serve")
                    else:
                        self._refuse(child, reason)
                case "failed":
                    self._refuse(child, message["reason"])
                case "serving" if child is self._candidate:
                    self._switch(child)
        if child.is_closed:
            self._forget(child)

    def _objection(self, child: Child) -> str | None:
        """Why a version that is ready may not take the other's place; None where it may."""
        if self._serving is None or not self._settings.checks_contract:
            return None
        new = sorted({*child.told["requires"]} - {*self._serving.told["requires"]})
        return f"it requires {', '.join(new)}, which callers need not send so far" if new else None

    def _refuse(self, child: Child, reason: str) -> None:
        """Do without a version that does not serve yet."""
        if child is not self._candidate:
            return
        self._candidate = None
        self._watcher.refuse()
        serving = None if self._serving is None else self._serving.version.digest
        event(ERROR, "reload_refused", version=child.version.digest, reason=reason, serving=serving)
        self._forget(child)
        child.kill()
        self._discard_unused()
        if self._serving is None and not self._is_stopping:
            self._fall_back(reason)

    def _switch(self, child: Child) -> None:
        """Have the former child hand over to one that takes connections by now."""
        former, self._serving, self._candidate = self._serving, child, None
        self._watcher.take()
        if former is None:
            event(INFO, "version_serving", version=child.version.digest)
        else:
            self._former = former
            self._probation_ends_s = time.monotonic() + self._settings.probation_s
            former.tell("hand over")
            event(INFO, "switched", version=child.version.digest, former=former.version.digest)
            if former.told["memory_state"]:
                reason = "sessions kept in memory begin anew; those in Redis go on"
                event(WARNING, "memory_state_left", former=former.version.digest, reason=reason)
        self._discard_unused()

    def _forget(self, child: Child) -> None:
        """Listen to a child no more."""
        if child.status is None and child.control in self._selector.get_map():
            self._selector.unregister(child.control)

    # Signals, and children that end

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._is_asked_to_look = True
            self._look()
        else:
            self._stop(number)

    def _stop(self, number: int) -> None:
        """Pass a signal on; a version that does not serve yet is ended."""
        self._is_stopping = True
        self._listener.close()
        if self._candidate is not None:
            self._candidate.kill()
        for child in (self._serving, self._former):
            if child is not None:
                child.send(number)

    def _reap(self) -> None:
        """Note which children have ended; as process 1, this takes in orphans of others, too."""
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            for child in self._children():
                if child.pid == pid:
                    self._on_messages(child)
                    self._on_end(child, os.waitstatus_to_exitcode(raw))
        if self._is_stopping and all(child.status is not None for child in self._children()):
            last = self._serving or self._candidate
            status = 0 if last is None else last.status or 0
            self._status = 128 - status if status < 0 else status  # as a shell has it

    def _on_end(self, child: Child, status: int) -> None:
        self._forget(child)
        child.ended(status)
        version = child.version.digest
        if child is self._former:
            event(INFO if status == 0 else WARNING, "former_ended", former=version, status=status)
        elif self._is_stopping:
            pass
        elif child is self._candidate:
            self._refuse(child, f"it ended with status {status} before it served")
        elif self._former is not None and time.monotonic() < self._probation_ends_s:
            self._roll_back(self._former.version, f"it ended with status {status} after the switch")
        else:
            event(ERROR, "agent_ended", version=version, status=status)
            self._stop(signal.SIGTERM)

    def _roll_back(self, version: Version, reason: str) -> None:
        """Start the former version again; connections wait meanwhile, as the port is held."""
        assert self._serving is not None
        ended, self._serving = self._serving, None
        self._probation_ends_s = 0.0
        event(
            ERROR, "rolled_back", version=version.digest, former=ended.version.digest, reason=reason
        )
        self._fallbacks = [version]
        if self._candidate is None:
            self._fall_back(reason)
        else:
            self._refuse(self._candidate, "the version that served has ended meanwhile")
        self._discard_unused()
