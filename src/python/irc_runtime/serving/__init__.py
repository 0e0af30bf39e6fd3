"""Serving an agent with KServe's model server, as ``python -m flows.support.agent`` does.

``Agent`` is not itself a ``kserve.Model``, as importing kserve takes more than a second, which
tests of nodes should not pay; ``model.AgentModel`` is the model that KServe serves.
"""

import argparse

from kserve import model_server  # type: ignore[import-untyped]  # it says nothing of its types

from irc_runtime.agent import Agent
from irc_runtime.errors import LoadError
from irc_runtime.events import ERROR, INFO, event
from irc_runtime.serving import ports
from irc_runtime.serving.logs import configure_logging
from irc_runtime.serving.model import AgentModel
from irc_runtime.serving.server import AgentServer


def serve(agent: Agent, arguments: list[str] | None = None) -> None:
    """Load an agent and serve it until SIGTERM, on which requests under way are finished.

    The command line takes KServe's own flags (``--http_port``, ``--workers``, …); two have other
    defaults: the model's name is the flow's, and latencies are not logged for each request.
    Where a port cannot be had or loading fails, the process says why in one event and ends with
    status 1.
    """
    parser = argparse.ArgumentParser(
        prog=agent.name,
        description=f"Serve {agent.name} ({agent.source}).",
        parents=[model_server.parser],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(model_name=agent.name, enable_latency_logging=False)
    options = parser.parse_args(arguments)
    configure_logging()
    server = AgentServer(
        agent,
        http_port=options.http_port,
        grpc_port=options.grpc_port,
        workers=options.workers,
        max_threads=options.max_threads,
        max_asyncio_workers=options.max_asyncio_workers,
        enable_grpc=options.enable_grpc,
        enable_latency_logging=options.enable_latency_logging,
        access_log_format=options.access_log_format,
        event_loop=options.event_loop,
        timeout_keep_alive=options.timeout_keep_alive,
        ssl_certfile=options.ssl_certfile,
        ssl_keyfile=options.ssl_keyfile,
    )
    try:
        ports.try_ports(server.ports)
    except ports.PortError as error:
        name = "port_taken" if error.taken else "port_refused"
        port, hint = error.port.number, error.port.hint
        event(ERROR, name, agent=agent.name, port=port, reason=error.reason, hint=hint)
        raise SystemExit(1) from None
    model = AgentModel(agent, options.model_name)
    try:
        model.load()
    except LoadError as error:
        event(ERROR, "load_failed", agent=agent.name, source=agent.source, reason=error.reason)
        raise SystemExit(1) from None
    server.start([model])
    event(INFO, "stopped", agent=agent.name)
