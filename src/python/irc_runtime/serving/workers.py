"""Several processes that serve one agent: each loads its own, and all take requests from one port.

The first process only watches over them. KServe's way of doing this runs gRPC in the first process
alone, and workers whose event loop is blocked are kept.
"""

import argparse
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.events import ERROR, event
from irc_runtime.serving.server import longest_end_s

#: What a worker runs: an agent's class, the command line, the socket, and what to do once it serves.
Work = Callable[[type[Agent], argparse.Namespace, socket.socket, Callable[[], None]], int]

#: Seconds until a worker is started again that did not come to serve; doubled up to the last.
PAUSES_S = (1.0, 30.0)

#: Seconds that a worker has beyond its own time to end, until it is killed.
KILL_S = 2.0

_SPAWN = multiprocessing.get_context("spawn")


class Supervisor:
    """Keeps workers running, and passes signals on to them.

    Args:
        agent_type: found by its name in each worker.
        options: the command line.
        listener: REST's socket, bound and not listening.
        work: what each worker does; its result is the worker's exit status.
    """

    def __init__(
        self,
        agent_type: type[Agent],
        options: argparse.Namespace,
        listener: socket.socket,
        work: Work,
    ) -> None:
        self._arguments = (agent_type, options, listener, work)
        self._name = agent_type.name
        self._workers = [_Worker(number) for number in range(options.workers)]
        self._listener = listener
        self._stopped: list[int] = []
        longest_s = longest_end_s(options.drain_delay_s, options.drain_grace_s)
        self._longest_end_s = longest_s + KILL_S

    def run(self) -> int:
        """Serve until a signal says to stop, or until no worker comes to serve.

        Returns:
            The exit status: 0 where all workers ended well after a signal.
        """
        woken, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        for worker in self._workers:
            worker.start(*self._arguments)
        while not self._stopped:
            if not self._watch(woken):
                self._pass_on(signal.SIGTERM)
                self._end()
                return 1
        return self._end()

    def _watch(self, woken: socket.socket) -> bool:
        """Wait until something happens, and see to it; False where there is nothing left to serve."""
        now = time.monotonic()
        resting = [w.starts_at - now for w in self._workers if w.process is None]
        objects: list[Any] = [woken]
        for worker in self._workers:
            objects += worker.signs
        wait(objects, max(0.0, min(resting)) if resting else None)
        for worker in self._workers:
            worker.hear()
        if self._stopped:
            return True
        for worker in self._workers:
            if worker.process is None:
                if time.monotonic() >= worker.starts_at:
                    worker.start(*self._arguments)
            elif worker.process.exitcode is not None:
                worker.end(self._name)
                if not any(other.serves for other in self._workers) and not worker.served:
                    return False
        return True

    def _pass_on(self, number: int, _frame: Any = None) -> None:
        """Signal all workers; this process's copy of the socket would keep the port open."""
        self._stopped.append(number)
        self._listener.close()
        for worker in self._workers:
            worker.signal(number)

    def _end(self) -> int:
        """Wait for the workers to end, and kill those that do not."""
        for worker in self._workers:  # one may have been started in the meantime
            worker.signal(self._stopped[0], once=True)
        deadline = time.monotonic() + self._longest_end_s
        statuses = []
        for worker in self._workers:
            if worker.process is not None:
                worker.process.join(max(0.0, deadline - time.monotonic()))
                worker.process.kill()
                worker.process.join()
                statuses.append(worker.process.exitcode)
        return int(any(statuses))


class _Worker:
    """One of the processes, and those that came before in its place.

    Attributes:
        serves: whether it has said that it takes requests.
        served: whether the one that ended last had.
        starts_at: the monotonic time before which none is started.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: SpawnProcess | None = None
        self.serves = self.served = False
        self.starts_at = 0.0
        self._pause_s = PAUSES_S[0]
        self._ready: Connection | None = None
        self._signalled = False

    def start(self, *arguments: Any) -> None:
        self._ready, child = _SPAWN.Pipe(duplex=False)
        self.process = _SPAWN.Process(
            target=_work, args=(*arguments, child), name=f"worker-{self.number}"
        )
        self._signalled = False
        self.process.start()
        child.close()

    def signal(self, number: int, *, once: bool = False) -> None:
        """Signal the process, if it runs; with ``once`` not again."""
        if self.process is not None and self.process.exitcode is None:
            if not (once and self._signalled):
                os.kill(self.process.pid or 0, number)
            self._signalled = True

    @property
    def signs(self) -> list[Any]:
        """What becomes readable when something happens to the worker."""
        ready = [] if self._ready is None else [self._ready]
        return ready if self.process is None else [*ready, self.process.sentinel]

    def hear(self) -> None:
        """Take the worker's word that it serves."""
        if self._ready is not None and self._ready.poll():
            try:
                self._ready.recv_bytes()
                self.serves = True
            except EOFError:
                pass
            self._ready.close()
            self._ready = None

    def end(self, agent: str) -> None:
        """Report the end of the process, and say when the next one starts."""
        assert self.process is not None
        code = self.process.exitcode or 0
        event(
            ERROR,
            "worker_ended",
            agent=agent,
            worker=self.number,
            signal=signal.Signals(-code).name if code < 0 else None,
            status=code if code >= 0 else None,
        )
        self.process = None
        self.served, self.serves = self.serves, False
        if self.served:
            self._pause_s, self.starts_at = PAUSES_S[0], time.monotonic()
        else:
            self.starts_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSES_S[1])


def _work(
    agent_type: type[Agent],
    options: argparse.Namespace,
    listener: socket.socket,
    work: Work,
    ready: Connection,
) -> None:
    """Be a worker: in a group of its own, as a terminal's Ctrl-C is the first process's to pass on."""
    os.setpgrp()
    threading.Thread(target=_outlive_nobody, name="parent", daemon=True).start()

    def said() -> None:
        ready.send_bytes(b"")
        ready.close()

    raise SystemExit(work(agent_type, options, listener, said))


def _outlive_nobody() -> None:
    """End as on SIGTERM when the first process is gone: nobody would pass that on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
