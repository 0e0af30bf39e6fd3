"""Serving an agent with KServe's model server, as ``python -m flows.support.agent`` does.

``Agent`` is not itself a ``kserve.Model``, as importing kserve takes more than a second, which
tests of nodes should not pay; ``model.AgentModel`` is the model that KServe serves.
"""

import argparse
import errno
import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from kserve import model_server  # type: ignore[import-untyped]  # it says nothing of its types

from irc_runtime.agent import Agent
from irc_runtime.errors import public_reason
from irc_runtime.events import ERROR, INFO, event
from irc_runtime.metrics_folder import shared_folder
from irc_runtime.node import Node
from irc_runtime.reloading.starting import become_supervisor
from irc_runtime.reloading.version import VersionError
from irc_runtime.serving import options, ports
from irc_runtime.serving.authentication import token_check
from irc_runtime.serving.logs import configure_logging
from irc_runtime.serving.model import AgentModel
from irc_runtime.serving.openai_endpoints import add_endpoints
from irc_runtime.serving.server import AgentServer
from irc_runtime.serving.workers import Supervisor


def serve(agent: Agent, arguments: list[str] | None = None) -> None:
    """Load an agent and serve it until SIGTERM or SIGINT, on which requests under way are finished.

    The command line takes KServe's own flags (``--http_port``, ``--workers``, …) and those of
    ``options``. The process ends with status 0; with 1 where a port cannot be had, loading fails, no
    worker is left, or requests were not finished in time, which an event says.
    """
    command = options.parsed(agent, arguments)
    configure_logging()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _quit)
    _take_file_descriptors()
    try:
        listener = _listener(command)
    except ports.PortError as error:
        _report_port(agent, error)
        raise SystemExit(1) from None
    if command.reload_from is not None:
        _reload(agent, command, listener, sys.argv[1:] if arguments is None else arguments)
    if command.workers == 1:
        raise SystemExit(_serve(agent, command, listener, lambda: None))
    if (node_id := forgetful_node(agent)) is not None:
        keeps = f"node '{node_id}' keeps session state in memory, which workers do not share"
        _report_load(agent, f"{keeps}: use the backend redis, or --workers=1")
        raise SystemExit(1)
    with shared_folder():
        raise SystemExit(Supervisor(type(agent), command, listener, _work).run())


def _serve(
    agent: Agent,
    command: argparse.Namespace,
    listener: socket.socket,
    serving: Callable[[], None],
) -> int:
    """Load an agent and serve it in this process; the result is the exit status."""
    try:
        server, model = loaded(agent, command, listener, serving)
    except Exception as error:  # noqa: BLE001  # the boundary: a traceback would be pages, and quote
        _report_load(agent, public_reason(error))
        return 1
    return run(server, model)


def loaded(
    agent: Agent,
    command: argparse.Namespace,
    listener: socket.socket,
    serving: Callable[[], None],
) -> tuple[AgentServer, AgentModel]:
    """An agent that is loaded, as a model, and the server that a command line asks for.

    Args:
        listener: REST's socket, bound.
        serving: called once requests are taken.
    """
    server = AgentServer(
        agent,
        options.limits(command),
        listener,
        serving,
        http_port=listener.getsockname()[1],  # of 0, the system has chosen one
        grpc_port=command.grpc_port,
        max_threads=command.max_threads,
        max_asyncio_workers=command.max_asyncio_workers,
        enable_grpc=command.enable_grpc,
        grpc_max_send_message_length=command.grpc_max_send_message_length,
        enable_latency_logging=command.enable_latency_logging,
        access_log_format=command.access_log_format,
        event_loop=command.event_loop,
        timeout_keep_alive=command.timeout_keep_alive,
        ssl_certfile=command.ssl_certfile,
        ssl_keyfile=command.ssl_keyfile,
        linger_s=None if command.reload_from is None else command.reload_linger_s,
    )
    model = AgentModel(agent, command.model_name)
    model.load()
    server.tokens = token_check()
    add_endpoints(model_server.app, model)
    return server, model


def run(server: AgentServer, model: AgentModel) -> int:
    """Serve until a signal, or until another process has taken over; the result is the exit status."""
    # What is loaded stays. Going through it again and again would be a seventh of a request's cost.
    gc.freeze()
    try:
        cancelled = server.start([model])
    except ports.PortError as error:
        _report_port(model.agent, error)
        return 1
    except Exception as error:  # noqa: BLE001  # the boundary, as in _serve
        event(ERROR, "server_failed", agent=model.agent.name, reason=public_reason(error))
        return 1
    event(INFO, "stopped", agent=model.agent.name)
    return 1 if cancelled else 0


def _work(
    agent_type: type[Agent],
    command: argparse.Namespace,
    listener: socket.socket,
    serving: Callable[[], None],
) -> int:
    """``_serve`` in a process of its own."""
    configure_logging()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _quit)
    return _serve(agent_type(), command, listener, serving)


def _listener(command: argparse.Namespace) -> socket.socket:
    """REST's socket, bound: another process's, or one of this process.

    Raises:
        PortError: a port cannot be had, or both are the same.
    """
    if command.http_fd is not None:
        return socket.socket(fileno=command.http_fd)
    listener = ports.bound(ports.http(command.http_port))
    if command.enable_grpc:
        port = ports.grpc(command.grpc_port)
        if port.number == command.http_port:
            raise ports.PortError(port, OSError(errno.EADDRINUSE, ""))
        ports.check(port)
    return listener


def forgetful_node(agent: Agent) -> str | None:
    """The first node that keeps a session's state in the memory of its process; None without one."""
    for node_id, method in agent.nodes.items():
        settings: Node = vars(method)["settings"]
        state = settings.state
        if state is not None and (state.scope, state.backend) == ("session", "memory"):
            return node_id
    return None


def _reload(
    agent: Agent, command: argparse.Namespace, listener: socket.socket, flags: Sequence[str]
) -> NoReturn:
    """Go on as the supervisor that serves the agent and its new versions."""
    if command.workers > 1:
        _report_load(agent, "--reload_from takes one worker: scale by replicas")
        raise SystemExit(1)
    try:
        become_supervisor(listener, command.reload_from, flags)
    except VersionError as error:
        _report_load(agent, f"{error}: {error.hint}")
        raise SystemExit(1) from None


def _report_port(agent: Agent, error: ports.PortError) -> None:
    name = "port_taken" if error.taken else "port_refused"
    port, hint = error.port.number, error.port.hint
    event(ERROR, name, agent=agent.name, port=port, reason=error.reason, hint=hint)


def _report_load(agent: Agent, reason: str) -> None:
    event(ERROR, "load_failed", agent=agent.name, source=agent.source, reason=reason)


def _take_file_descriptors() -> None:
    """Raise the soft limit of open files, of which each connection is one, to the hard one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _quit(_number: int, _frame: object) -> None:
    """End while there is nothing to finish: the first process of a container ignores signals else."""
    raise SystemExit(0)
