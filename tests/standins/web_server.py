"""A web service that answers what the path says, well or badly."""

import gzip
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class WebServer:
    """The service; a context manager that listens while it is open.

    Attributes:
        requests: how many came, by path.
        headers: those of the last request, by names in lower case.
        faults: so many requests of a path are answered as it says; further ones are well.
        port: where it listens; after a stop, it starts there again.
        abandoned: set once a client went away before it had its answer.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.headers: dict[str, str] = {}
        self.faults = float("inf")
        self.abandoned = threading.Event()
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(BaseHTTPRequestHandler):
    """Answers what the path says."""

    owner: WebServer

    def do_POST(self) -> None:
        self._note()
        length = int(self.headers.get("Content-Length", 0))
        self._echo(self.rfile.read(length).decode())

    def _note(self) -> None:
        self.owner.requests[self.path] += 1
        self.owner.headers = {name.lower(): value for name, value in self.headers.items()}

    def do_GET(self) -> None:
        self._note()
        kind, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        if kind == "echo" or self.owner.requests[self.path] > self.owner.faults:
            self._echo("")
            return
        match kind:
            case "status":
                self._send(int(rest), {"Content-Type": "application/json"}, b'{"why": "told so"}')
            case "busy":
                self._send(429, {"Retry-After": rest.replace("_", " ")}, b"")
            case "raw":
                self._send(200, {"Content-Type": rest.replace("-", "/")}, b"plain text")
            case "empty":
                self._send(204, {}, b"")
            case "big":
                self._send(200, {}, b"x" * int(rest))
            case "gzip":
                self._send(200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * int(rest)))
            case "encoded":
                self._send(200, {"Content-Encoding": rest}, b"neither")
            case "headers":
                self._send(200, {"X-Long": "x" * int(rest)}, b"")
            case "cookies":
                self._send(200, {"Set-Cookie": "a=b"}, self.headers.get("Cookie", "").encode())
            case "to":
                self._send(302, {"Location": rest}, b"")
            case "loop":
                self._send(302, {"Location": "/loop"}, b"")
            case "endless":
                self._endless()
            case "cut":
                self._head(200, {"Content-Length": "100"})
                self.wfile.write(b'{"half":')
                self.close_connection = True
            case "slow":
                time.sleep(2)

    def _echo(self, body: str) -> None:
        seen = {
            "method": self.command,
            "path": self.path,
            "body": body,
            "type": self.headers.get("Content-Type"),
            "token": self.headers.get("X-Token"),
            "dry": self.headers.get("X-Dry-Run"),
        }
        self._send(200, {"Content-Type": "application/json"}, json.dumps(seen).encode())

    def _endless(self) -> None:
        self._head(200, {})
        try:
            while True:
                self.wfile.write(b"x" * 4096)
        except OSError:
            self.owner.abandoned.set()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._head(status, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
