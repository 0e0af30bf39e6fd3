"""Ports, tried on the loopback."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from irc_runtime.serving import ports
from tests.irc_runtime.test_serving import free_port


def test_free_ports_are_left_free() -> None:
    both = [ports.http(free_port()), ports.grpc(free_port())]
    ports.try_ports(both)
    ports.try_ports(both)


@pytest.mark.parametrize("kind", [ports.http, ports.grpc])
@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_another_listens_on_is_taken(
    kind: Callable[[int], ports.Port], shared: bool
) -> None:
    with socket.create_server(("0.0.0.0", 0), reuse_port=shared) as other:
        port = other.getsockname()[1]
        with pytest.raises(ports.PortError, match=f"port {port}: Address already in use") as caught:
            ports.try_ports([kind(port)])
    assert caught.value.taken


def test_a_port_asked_for_twice_is_taken() -> None:
    port = free_port()
    with pytest.raises(ports.PortError) as caught:
        ports.try_ports([ports.http(port), ports.grpc(port)])
    assert "--grpc_port" in caught.value.port.hint


def test_connections_that_are_still_closing_are_no_hindrance() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = other.accept()
        accepted.close()  # the side that closes first waits
        client.close()
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("0.0.0.0", port))
    ports.try_ports([ports.http(port)])
    ports.try_ports([ports.grpc(port)])


def test_a_server_is_waited_for() -> None:
    port = free_port()

    async def scenario() -> None:
        waiting = asyncio.create_task(ports.listening([ports.http(port)]))
        await asyncio.sleep(3 * ports.POLL_S)
        assert not waiting.done()
        async with await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", port):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())
