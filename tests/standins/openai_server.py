"""A server that speaks the OpenAI chat completions protocol, with scripted answers.

It listens on the loopback, keeps every request, and can answer late, with an error status, with
something that is no JSON, or by cutting the connection. A request that a real server would refuse
(no key, no messages, a malformed response format) is refused here too.

In a test::

    with OpenAIServer() as server:
        server.script(Answer({"text": "Hello"}), Failure(503))
        client = openai.OpenAI(base_url=server.base_url, api_key="any")

By hand, from the root of the repository::

    python3.11 -m tests.standins.openai_server --port 8000 --answer '{"text": "Hello"}'
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.standins.openai_transcript import transcript
from tests.standins.openai_wire import (
    Answer,
    CutConnection,
    Failure,
    Malformed,
    Reply,
    chunks,
    completion,
    refusal,
)


@dataclass(frozen=True)
class Recorded:
    """One request as it came in, refused ones included."""

    path: str
    authorization: str | None
    headers: Mapping[str, str]
    body: Any
    refused: str | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as sent, each with ``role`` and ``content``."""
        return list(self.body["messages"])

    def prompt(self, role: str = "user") -> str:
        """The text of the last message of that role, empty where there is none."""
        texts = [message["content"] for message in self.messages if message["role"] == role]
        return str(texts[-1]) if texts else ""


@dataclass
class OpenAIServer:
    """The server; a context manager that listens while it is open.

    Attributes:
        port: the port to listen on; 0 takes a free one, which then stands here.
        otherwise: the reply once the script is at its end.
        requests: all requests so far, in the order of their arrival.
        accepted: how many connections were made so far.
        abandoned: set once a client went away before its answer was there.
    """

    port: int = 0
    otherwise: Reply = field(default_factory=Answer)
    verbose: bool = False
    requests: list[Recorded] = field(default_factory=list)
    accepted: int = 0
    abandoned: threading.Event = field(default_factory=threading.Event)
    _script: deque[Reply] = field(default_factory=deque)
    _server: "_Server | None" = None

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Recorded:
        return self.requests[-1]

    def script(self, *replies: Reply) -> None:
        """Replace what is left of the script; each reply serves one request."""
        self._script = deque(replies)

    def next_reply(self) -> Reply:
        return self._script.popleft() if self._script else self.otherwise

    def start(self) -> None:
        """Listen; after a stop, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on and close the open ones."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: OpenAIServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.connections:
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away while it was waiting is nothing to report."""
        if isinstance(sys.exception(), OSError):
            self.owner.abandoned.set()
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)
            self.server.owner.accepted += 1

    def finish(self) -> None:
        with self.server.lock:
            self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing but what ``verbose`` prints."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        authorization = self.headers.get("Authorization")
        refused = refusal(self.path, authorization, body, self.headers.get("api-key"))
        recorded = Recorded(
            self.path, authorization, dict(self.headers), body, refused[1] if refused else None
        )
        owner = self.server.owner
        with self.server.lock:
            owner.requests.append(recorded)
            number = len(owner.requests)
            reply = Failure(*refused) if refused else owner.next_reply()
        if owner.verbose:
            print(transcript(number, body, reply), flush=True)
        self._send(reply, body, number)

    def _send(self, reply: Reply, body: Any, number: int) -> None:
        match reply:
            case Failure(status, message, code=code):
                error = {"message": message, "type": "scripted", "param": None, "code": code}
                content = json.dumps({"error": error}).encode()
                self._send_bytes(status, content, reply.all_headers)
            case Malformed(content):
                self._send_bytes(200, content)
            case CutConnection():
                self._send_headers(200, {"Content-Length": "4096"})
                self.wfile.write(b'{"id": "chatcmpl-')
                self.close_connection = True
            case Answer(delay_s=delay_s):
                time.sleep(delay_s)
                if body.get("stream"):
                    self._stream(reply, body, number)
                else:
                    whole = completion(reply, body["model"], number)
                    self._send_bytes(200, json.dumps(whole).encode())

    def _stream(self, answer: Answer, body: Any, number: int) -> None:
        self._send_headers(200, {"Connection": "close"}, "text/event-stream")
        with_usage = (body.get("stream_options") or {}).get("include_usage") is True
        sent = chunks(answer, body["model"], number, with_usage=with_usage)
        for index, chunk in enumerate(sent):
            if index == answer.cut_after:
                if answer.error is not None:
                    error = {"error": {"message": "secret", "type": answer.error}}
                    self.wfile.write(f"data: {json.dumps(error)}\n\n".encode())
                self.close_connection = True
                return
            time.sleep(answer.pause_s if index else 0.0)
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _send_bytes(self, status: int, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self._send_headers(status, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def _send_headers(
        self, status: int, headers: Mapping[str, str], kind: str = "application/json"
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        help="may be repeated; the last one serves the rest",
    )
    parser.add_argument("--delay-s", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fail", type=int, metavar="STATUS", help="answer with this status only")
    options = parser.parse_args()

    answers = [Answer(text, options.delay_s) for text in options.answer or ["Hello."]]
    otherwise = Failure(options.fail) if options.fail else answers.pop()
    server = OpenAIServer(options.port, otherwise, verbose=True)
    server.script(*([] if options.fail else answers))
    try:
        server.start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        parser.exit(1, f"cannot listen on port {options.port}: {reason}; choose another --port\n")
    print(f"OPENAI_BASE_URL={server.base_url}", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


if __name__ == "__main__":
    main()
