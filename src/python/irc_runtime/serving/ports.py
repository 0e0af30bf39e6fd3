"""The ports that an agent listens on: whether they can be had, and when it does listen.

KServe ends with pages of traceback where a port is taken, and has no hook for the moment from which
it listens. So the ports are tried before it starts, and then asked for until they answer.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

#: Seconds between two attempts to reach a server that is starting.
POLL_S = 0.02


@dataclass(frozen=True)
class Port:
    """A port to listen on.

    Attributes:
        number: the TCP port.
        dual: whether IPv6 addresses count, too, where the host has them; else only IPv4.
        hint: what to do where the port cannot be had.
    """

    number: int
    dual: bool
    hint: str


def http(number: int) -> Port:
    """The port of REST, which KServe binds on all IPv4 addresses."""
    return Port(number, False, "choose another port with --http_port")


def grpc(number: int) -> Port:
    """The port of gRPC, which KServe binds on all addresses."""
    hint = "choose another port with --grpc_port, or serve no gRPC with --enable_grpc=false"
    return Port(number, True, hint)


class PortError(Exception):
    """A port cannot be listened on; ``taken`` when something else does, else ``reason`` says why."""

    def __init__(self, port: Port, error: OSError) -> None:
        self.port = port
        self.taken = error.errno == errno.EADDRINUSE
        self.reason = os.strerror(error.errno or 0)
        super().__init__(f"port {port.number}: {self.reason}")


def try_ports(ports: Sequence[Port]) -> None:
    """Bind each port for a moment, as the servers will.

    Addresses may be reused, so connections of an earlier process that are still closing are no
    hindrance; ports are not shared, so another agent's gRPC port is taken, although gRPC itself
    would go halves with it.

    Raises:
        PortError: a port cannot be bound, or is asked for twice.
    """
    seen: set[int] = set()
    for port in ports:
        try:
            if port.number in seen:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            _bind(port)
        except OSError as error:
            raise PortError(port, error) from None
        seen.add(port.number)


def _bind(port: Port) -> None:
    dual = port.dual and socket.has_dualstack_ipv6()
    with socket.socket(socket.AF_INET6 if dual else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        trial.bind(("::" if dual else "0.0.0.0", port.number))


async def listening(ports: Sequence[Port]) -> None:
    """Return once every port takes connections."""
    for port in ports:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port.number)
            except OSError:
                await asyncio.sleep(POLL_S)
            else:
                writer.close()
                break
