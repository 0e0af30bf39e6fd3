"""Ports, tried on the loopback."""

import socket
from collections.abc import Callable

import pytest

from irc_runtime.serving import ports
from tests.irc_runtime.served import free_port


def test_free_ports_are_left_free() -> None:
    port = ports.grpc(free_port())
    ports.check(port)
    ports.check(port)


def test_a_bound_port_is_not_listened_on() -> None:
    port = free_port()
    with ports.bound(ports.http(port)), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("kind", [ports.http, ports.grpc])
@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_another_listens_on_is_taken(
    kind: Callable[[int], ports.Port], shared: bool
) -> None:
    with socket.create_server(("0.0.0.0", 0), reuse_port=shared) as other:
        port = other.getsockname()[1]
        with pytest.raises(ports.PortError, match=f"port {port}: Address already in use") as caught:
            ports.check(kind(port))
    assert caught.value.taken


def test_connections_that_are_still_closing_are_no_hindrance() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = other.accept()
        accepted.close()  # the side that closes first waits
        client.close()
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("0.0.0.0", port))
    ports.check(ports.http(port))
    ports.check(ports.grpc(port))
