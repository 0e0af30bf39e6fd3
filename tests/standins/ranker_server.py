"""A stand-in for the shop's ranking service, which flows/recommend asks.

``POST /v1/rank`` with ``{"user", "count"}`` gives that many products, ``GET /v1/best-sellers``
the best sold ones; both want a bearer token. By hand, from the root of the repository::

    python3.11 -m tests.standins.ranker_server --port 8001
"""

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PRODUCTS = (
    {"sku": "b-1", "title": "Atlas", "category": "books", "price_cents": 4990, "stock": 12},
    {"sku": "g-1", "title": "Trowel", "category": "garden", "price_cents": 1250, "stock": 2},
    {"sku": "k-1", "title": "Kettle", "category": "kitchen", "price_cents": 3900, "stock": 0},
    {"sku": "t-1", "title": "Kite", "category": "toys", "price_cents": 1995, "stock": 30},
)
BEST_SELLERS = PRODUCTS[::-1]


@dataclass
class Ranker:
    """The service's state.

    Attributes:
        failing: paths answered with status 503.
        requests: pairs of path (query included) and body, in the order of their arrival.
    """

    base_url: str = ""
    failing: set[str] = field(default_factory=set)
    requests: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, authorized: bool, body: Any) -> tuple[int, Any]:
        """Status and JSON body of the answer to one request."""
        match method, path:
            case _ if not authorized:
                return 401, {"message": "no bearer token"}
            case _ if path in self.failing:
                return 503, {"message": "try again later"}
            case "POST", "/v1/rank":
                return 200, {"products": PRODUCTS[: int(body["count"])]}
            case "GET", "/v1/best-sellers":
                return 200, {"products": BEST_SELLERS}
            case _:
                return 404, {"message": f"unknown path {path}"}


def _handler(ranker: Ranker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET", None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._answer("POST", json.loads(self.rfile.read(length)))

        def _answer(self, method: str, body: Any) -> None:
            ranker.requests.append((self.path, body))
            authorized = self.headers.get("Authorization", "").startswith("Bearer ")
            status, answer = ranker.answer(method, urlsplit(self.path).path, authorized, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    return Handler


@contextmanager
def ranker_server(port: int = 0) -> Iterator[Ranker]:
    """Serve on the loopback while the context is open; port 0 takes a free one."""
    ranker = Ranker()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(ranker))
    ranker.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield ranker
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for the shop's ranking service.")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    with ranker_server(parser.parse_args().port) as ranker:
        print(f"RANKER_URL={ranker.base_url}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
