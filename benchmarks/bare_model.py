"""A KServe model that returns a constant: what an agent's server is compared with.

    python bare_model.py NAME PORT

KServe's own server with its own flags, gRPC off, and without a line of log for each request.
"""

import logging
import sys
from typing import Any

import kserve  # type: ignore[import-untyped]  # it says nothing of its types


class Constant(kserve.Model):  # type: ignore[misc]  # as above
    """Answers each request with the same."""

    def load(self) -> bool:
        """There is nothing to load."""
        self.ready = True
        return True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """The constant."""
        return {"text": "Where is my parcel?Where is my parcel?"}


if __name__ == "__main__":
    model = Constant(sys.argv[1])
    model.load()
    server = kserve.ModelServer(
        http_port=int(sys.argv[2]), enable_grpc=False, enable_latency_logging=False
    )
    logging.disable(logging.INFO)
    server.start([model])
