"""The child that runs a version: ``python -m irc_runtime.reloading.worker``, by the supervisor alone.

It loads the version, tells what it is, waits for the order to serve, tells when it takes connections,
and hands over when it is told to. Where the supervisor is gone, it ends.
"""

import argparse
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from types import ModuleType
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.errors import public_reason
from irc_runtime.reloading.checks import check_cases
from irc_runtime.serving import forgetful_node, loaded, options, run
from irc_runtime.serving.logs import configure_logging
from irc_runtime.serving.server import AgentServer

SERVE = b"serve\n"


class Control:
    """The connection to the supervisor."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)

    def tell(self, name: str, **fields: Any) -> None:
        self._socket.sendall(json.dumps({"event": name, **fields}).encode() + b"\n")

    def order(self) -> bytes:
        """The next order; empty where the supervisor is gone."""
        return self._socket.recv(64)

    def fileno(self) -> int:
        return self._socket.fileno()


def main(arguments: list[str]) -> int:
    """Run a version; the result is the exit status."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--check_cases", action="store_true")
    parser.add_argument("--traceback", action="store_true", help="Show why code does not load.")
    own, flags = parser.parse_known_args(arguments)
    control = Control(own.control)
    configure_logging()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: sys.exit(0))
    server: AgentServer

    def serving() -> None:
        control.tell("serving")
        server.loop.add_reader(control.fileno(), obey)

    def obey() -> None:
        server.loop.remove_reader(control.fileno())
        if control.order():
            server.hand_over()
        else:  # the supervisor is gone
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        module = importlib.import_module(own.module)
        agent_type = agent_type_of(module)
        if own.check_cases:
            check_cases(module, agent_type)
        agent = agent_type()
        command = options.parsed(agent, flags)
        server, model = loaded(agent, command, socket.socket(fileno=command.http_fd), serving)
    except Exception as error:  # noqa: BLE001  # the boundary: a version that does not load is told
        if own.traceback:
            traceback.print_exc()
        control.tell("failed", reason=public_reason(error))
        return 1
    forgetful = forgetful_node(agent) is not None
    control.tell("ready", requires=agent.requires, memory_state=forgetful)
    if control.order() != SERVE:
        return 0
    return run(server, model)


def agent_type_of(module: ModuleType) -> type[Agent]:
    """The agent that a generated module defines."""
    for value in vars(module).values():
        is_own = getattr(value, "__module__", None) == module.__name__  # not the imported base
        if is_own and isinstance(value, type) and issubclass(value, Agent):
            return value
    raise TypeError(f"{module.__name__} defines no agent")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
