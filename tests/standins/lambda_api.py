"""AWS Lambda as a function's process sees it: the runtime API, at which it fetches its events.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Outcome:
    """What a function did: ``kind`` is ``response``, ``error`` or, before any event, ``init``."""

    kind: str
    document: Any


@dataclass
class LambdaApi:
    """The API of one function; ``address`` is what AWS_LAMBDA_RUNTIME_API holds."""

    address: str
    timeout_s: float = 30.0
    events: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    outcomes: "queue.Queue[Outcome]" = field(default_factory=queue.Queue)

    def invoke(self, event: Any) -> Outcome:
        """Send an event and wait for what the function makes of it."""
        self.events.put(json.dumps(event).encode())
        return self.outcome()

    def outcome(self) -> Outcome:
        """Wait for what the function says next."""
        return self.outcomes.get(timeout=20)


@contextmanager
def lambda_api(timeout_s: float = 30.0) -> Iterator[LambdaApi]:
    """Serve the API on a free port; a function that still waits for an event then is told to end.

    Args:
        timeout_s: what the function has for each event.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == f"{VERSION}/invocation/next"
            event = api.events.get()
            headers = {
                "Content-Type": "application/json",  # The client crashes without.
                "Lambda-Runtime-Aws-Request-Id": "request-1",
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + api.timeout_s) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-north-1:1:function:f",
            }
            self._send(200 if event else 410, event, headers)

        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kind = self.path.rpartition("/")[2]
            init = self.path == f"{VERSION}/init/error"
            assert init or self.path == f"{VERSION}/invocation/request-1/{kind}"
            self._send(202, b"{}", {})
            api.outcomes.put(Outcome("init" if init else kind, document))

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        api = LambdaApi(f"127.0.0.1:{server.server_port}", timeout_s)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.events.put(b"")
            server.shutdown()
            thread.join()
