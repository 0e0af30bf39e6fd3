"""Serving the next version of an agent: ``python -m irc_runtime.standby MODULE CLASS [FLAGS]``.

The agent is loaded once to see that it loads, while another version may still hold the port. Then
``ready`` stands on standard output, and the first line on standard input is the call to serve;
without one, as when the other side is gone, the process ends. The flags are those of ``serving``.
Code that does not load ends with a traceback, which is the author's, and status 1.
"""

import asyncio
import contextlib
import importlib
import sys

from irc_runtime.errors import LoadError
from irc_runtime.events import ERROR, event
from irc_runtime.serving import serve
from irc_runtime.serving.logs import configure_logging

READY = "ready"


def main(arguments: list[str]) -> None:
    """Load, wait for the call, serve."""
    module, name, *flags = arguments
    configure_logging()
    agent_type = getattr(importlib.import_module(module), name)
    agent = agent_type()
    try:
        agent.load()
    except LoadError as error:
        event(ERROR, "load_failed", agent=agent.name, source=agent.source, reason=error.reason)
        raise SystemExit(1) from None
    with contextlib.closing(asyncio.new_event_loop()) as loop:  # run() would leave kserve without
        loop.run_until_complete(agent.close())
    print(READY, flush=True)
    if sys.stdin.readline():
        serve(agent_type(), flags)


if __name__ == "__main__":
    main(sys.argv[1:])
