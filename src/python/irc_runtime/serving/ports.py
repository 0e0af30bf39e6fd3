"""The ports that an agent listens on: tried before it loads, and listened on once it has.

KServe ends with pages of traceback where a port is taken.
"""

import errno
import os
import socket
from dataclasses import dataclass


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


def bound(port: Port) -> socket.socket:
    """A socket that is bound to the port and does not listen yet.

    Addresses may be reused, so connections of an earlier process that are still closing are no
    hindrance; another process may bind it, too, until one of them listens.

    Raises:
        PortError: it cannot be bound.
    """
    dual = port.dual and socket.has_dualstack_ipv6()
    listener = socket.socket(socket.AF_INET6 if dual else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::" if dual else "0.0.0.0", port.number))
    except OSError as error:
        listener.close()
        raise PortError(port, error) from None
    return listener


def check(port: Port) -> None:
    """Bind a port for a moment: another's gRPC port is taken, though gRPC would go halves with it.

    Raises:
        PortError: it cannot be bound.
    """
    bound(port).close()
