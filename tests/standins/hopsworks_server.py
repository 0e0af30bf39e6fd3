"""A stand-in for Hopsworks that its real client, 5.2, can use: the API, the server of the online
store, and the query service, all over TLS.

The client takes the ports of the online store (4406) and of the query service (5005) as given, so
each stand-in has a loopback address of its own.
"""

import ipaddress
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from tests.standins.certificates import self_signed
from tests.standins.hopsworks_api import INTERNAL_NAME, Hopsworks
from tests.standins.hopsworks_data import Group, View

ONLINE_PORT = 4406

_numbers = count(1)


def _handler(state: Hopsworks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content) if content else None
            try:
                status, answer = state.answer(self.command, self.path, self.headers, body)
            except ConnectionError:
                self.close_connection = True
                return
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status != 200 and state.retry_after_s is not None:
                self.send_header("Retry-After", str(state.retry_after_s))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _own_address() -> str:
    """A loopback address that no other stand-in of this machine has."""
    number = (os.getpid() * 16 + next(_numbers)) % (2**24 - 4) + 2
    return str(ipaddress.ip_address((127 << 24) + number))


@contextmanager
def hopsworks_server(
    *,
    groups: Iterable[Group] = (),
    views: Iterable[View] = (),
    models: dict[str, dict[int, dict[str, bytes]]] | None = None,
) -> Iterator[Hopsworks]:
    """A stand-in that serves until the end of the block."""
    address = _own_address()
    state = Hopsworks(address, groups=list(groups), views=list(views), models=models or {})
    state.certificate, state.key = self_signed(address, INTERNAL_NAME)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(state.certificate + state.key)
        file.flush()
        state.tls.load_cert_chain(file.name)
    with ExitStack() as stack:
        for port in (0, ONLINE_PORT):
            server = ThreadingHTTPServer((address, port), _handler(state))
            stack.callback(server.server_close)
            server.socket = state.tls.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            state.port = state.port or server.server_address[1]
        stack.callback(state.release.set)
        yield state
