"""A real registry for tests, and a proxy before it that fails as registries do."""

import base64
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.standins.certificates import self_signed
from tests.standins.redis_server import free_port

#: Pants starts tests with a PATH of its own.
COMMAND = shutil.which("docker-registry", path="/usr/local/bin:/usr/bin:/bin")

USER = "agents"
PASSWORD = "correct-horse"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS\n"


@dataclass(frozen=True)
class RegistryServer:
    """A registry with TLS that wants a password.

    Attributes:
        address: host and port, as they stand in references.
        certificate: the file of its authority.
        data: the folder in which it keeps blobs.
    """

    address: str
    certificate: Path
    data: Path

    @property
    def authorisation(self) -> str:
        """User and password, as auth files hold them."""
        return base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask the registry's API."""
        return httpx.get(
            f"https://{self.address}/v2/{path}",
            headers=headers,
            auth=(USER, PASSWORD),
            verify=self.trust,
        )

    def put(self, path: str, content: bytes, media_type: str) -> None:
        """Put a document there, as another client would."""
        answer = httpx.put(
            f"https://{self.address}/v2/{path}",
            content=content,
            headers={"content-type": media_type},
            auth=(USER, PASSWORD),
            verify=self.trust,
        )
        answer.raise_for_status()

    @property
    def trust(self) -> ssl.SSLContext:
        """What clients of it believe."""
        return ssl.create_default_context(cafile=self.certificate)

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository, sorted."""
        listed = self.get(f"{repository}/tags/list").json()
        return sorted(listed.get("tags") or ())

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables with which container tools reach it."""
        folder.mkdir(parents=True, exist_ok=True)
        auth = folder / "auth.json"
        auth.write_text(json.dumps({"auths": {self.address: {"auth": self.authorisation}}}))
        return {"REGISTRY_AUTH_FILE": str(auth), "SSL_CERT_FILE": str(self.certificate)}


@contextmanager
def running_registry(folder: Path) -> Iterator[RegistryServer]:
    """A registry for the length of the block; skips the test where there is none installed."""
    if COMMAND is None:
        pytest.skip("docker-registry is not installed")
    port = free_port()
    certificate, key = self_signed("127.0.0.1")
    files = {"ca.pem": certificate, "key.pem": key, "htpasswd": _HTPASSWD}
    for name, text in files.items():
        (folder / name).write_text(text)
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(folder / "ca.pem"), "key": str(folder / "key.pem")},
        },
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}},
    }
    (folder / "config.yml").write_text(json.dumps(config))  # which is YAML as well
    server = RegistryServer(f"127.0.0.1:{port}", folder / "ca.pem", folder / "data")
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [COMMAND, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        while True:
            assert process.poll() is None, (folder / "registry.log").read_text()
            with suppress(httpx.TransportError):
                server.get("")
                break
            time.sleep(0.02)
        yield server
    finally:
        process.kill()
        process.wait()


#: What goes wrong with a request, by method and path; None where nothing does.
Fault = Callable[[str, str], str | None]


class FaultyRegistry:
    """A proxy before a registry, with its certificate; a context manager that listens while it is open.

    Args:
        registry: what answers.
        fault: ``error`` answers with status 500, ``refuse`` with 403, ``cut`` takes half of what is
            sent and ends the connection, ``change`` answers with another content, ``page`` with a page
            for people.

    Attributes:
        asked: methods and paths of all requests.
        sent: those of requests with a body that went through, with its size in bytes.
    """

    def __init__(self, registry: RegistryServer, fault: Fault) -> None:
        self.registry = registry
        self.fault = fault
        self.asked: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str, int]] = []

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables with which container tools reach it."""
        return replace(self.registry, address=self.address).environment(folder)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Proxied,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            self.registry.certificate, self.registry.certificate.with_name("key.pem")
        )
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Proxied(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultyRegistry

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _forward(self) -> None:
        owner = self.owner
        owner.asked.append((self.command, self.path))
        fault = owner.fault(self.command, self.path)
        if fault == "cut":
            if self.command in ("PATCH", "PUT"):
                self.rfile.read1(1024)
            self.close_connection = True
            self.connection.close()
            return
        body = self._body()
        if body:
            owner.sent.append((self.command, self.path, len(body)))
        if fault in ("error", "refuse"):
            self._answer(500 if fault == "error" else 403, {}, b"")
            return
        if fault == "page":
            self._answer(200, {"Content-Type": "text/html"}, b"<html>Sign in to the network</html>")
            return
        headers = [item for item in self.headers.items() if item[0] not in _OF_A_HOP]
        reached = httpx.request(
            self.command,
            f"https://{owner.registry.address}{self.path}",
            headers=headers,
            content=body,
            verify=owner.registry.trust,
        )
        content = reached.content + (b" " if fault == "change" else b"")
        answered = {
            name: value.replace(owner.registry.address, owner.address)
            for name, value in reached.headers.items()
            if name.title() not in _OF_A_HOP
        }
        self._answer(reached.status_code, answered, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _forward

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command == "HEAD":
            self.send_header("Content-Length", headers.get("content-length", "0"))
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


_OF_A_HOP = ("Host", "Transfer-Encoding", "Content-Length", "Connection", "Content-Encoding")
