"""A server on the loopback that answers JSON requests from a script, whatever the protocol."""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply

_counting = threading.Lock()


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Response:
    """A response; one in pieces ends with the connection, and one that is cut ends amid a piece."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] | None = None
    kind: str = "application/json"


class WireServer(ABC):
    """A scripted server; a context manager that listens while it is open."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.accepted = 0  # connections so far
        self._script: deque[Reply] = deque()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def last(self) -> Any:
        """The body of the last request."""
        return self.requests[-1].body

    def script(self, *replies: Reply) -> None:
        """Replace what is left of the script; each reply serves one request."""
        self._script = deque(replies)

    @abstractmethod
    def refusal(self, request: Request) -> Response | None:
        """What the real service answers to a request that it does not take."""

    @abstractmethod
    def failure(self, failure: Failure) -> Response:
        """An error in the protocol's form."""

    @abstractmethod
    def answer(self, request: Request, answer: Answer) -> Response:
        """An answer in the protocol's form: whole, or as a stream."""

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        refused = self.refusal(request)
        if refused is not None:
            return refused
        reply = self._script.popleft() if self._script else Answer("Hello.")
        match reply:
            case Failure():
                return self.failure(reply)
            case Malformed(content):
                return Response(200, content)
            case CutConnection():
                return Response(200, b'{"a', {"Content-Length": "4096"})
        time.sleep(reply.delay_s)
        return self.answer(request, reply)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"server_owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_owner: WireServer

    def setup(self) -> None:
        super().setup()
        with _counting:
            self.server_owner.accepted += 1

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = self.server_owner.respond(Request(self.path, headers, json.loads(raw)))
        self.send_response(response.status)
        length = {} if response.pieces is not None else {"Content-Length": str(len(response.body))}
        ends = {"Connection": "close"} if response.pieces is not None else {}
        for name, value in {
            "Content-Type": response.kind,
            **length,
            **ends,
            **response.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)
        for piece in response.pieces or ():
            self.wfile.write(piece)
            self.wfile.flush()
        self.close_connection = response.pieces is not None or "Content-Length" in response.headers
