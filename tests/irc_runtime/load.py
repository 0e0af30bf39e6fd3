"""Callers that ask without a pause, and know of each request what became of it."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]  # its stubs are another package
import httpx
from kserve import InferInput, InferRequest  # type: ignore[import-untyped]  # as above
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import (  # type: ignore[import-untyped]
    GRPCInferenceServiceStub,
)

from tests.irc_runtime.served import Waiting


def tensors(model: str, **fields: str) -> Any:
    """A request of texts as gRPC has it."""
    inputs = [InferInput(name, [1], "BYTES", [value.encode()]) for name, value in fields.items()]
    return InferRequest(model, inputs).to_grpc()


@dataclass
class Load:
    """Callers in threads of their own.

    Attributes:
        answered: keys of requests that were answered well.
        refused: keys of requests for which no connection could be made, or that gRPC turned away.
        lost: what happened to all others.
        enough: set to have the callers end.
    """

    agent: Waiting
    wait_s: float = 0.02
    answered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, caller: Callable[[], None], number: int) -> None:
        """Add callers."""
        for _ in range(number):
            thread = threading.Thread(target=caller, daemon=True)
            self.threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait for the callers to end, as they do once they are refused."""
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()

    def keep_alive(self) -> None:
        """Use one connection for as long as it is open."""
        with httpx.Client(timeout=30) as client:
            while not self.enough.is_set() and self._ask(client.post):
                pass

    def one_by_one(self) -> None:
        """Use a connection for each request, as long as the server says that it is ready."""
        while not self.enough.is_set():
            try:
                ready = httpx.get(self.agent.url("/v2/health/ready"), timeout=30)
            except httpx.ConnectError:
                return
            if ready.status_code != 200 or not self._ask(httpx.post):
                return

    def over_grpc(self) -> None:
        """Use one channel."""
        with grpc.insecure_channel(f"127.0.0.1:{self.agent.grpc_port}") as channel:
            stub = GRPCInferenceServiceStub(channel)
            while not self.enough.is_set():
                key = uuid.uuid4().hex
                try:
                    stub.ModelInfer(tensors("patient", key=key), timeout=30)
                except grpc.RpcError as error:
                    if error.code() is grpc.StatusCode.UNAVAILABLE:
                        self.refused.append(key)
                    else:
                        self.lost.append(f"{key}: {error.code()} {error.details()}")
                    return
                self.answered.append(key)

    def _ask(self, post: Callable[..., httpx.Response]) -> bool:
        """Send one request; whether there should be another."""
        key = uuid.uuid4().hex
        url = self.agent.url("/v1/models/patient:predict")
        try:
            response = post(url, json={"key": key, "wait_s": self.wait_s}, timeout=30)
        except httpx.ConnectError:
            self.refused.append(key)
            return False
        except httpx.TransportError as error:
            self.lost.append(f"{key}: {error!r}")
            return False
        if response.status_code == 200 and response.json()["key"] == key:
            self.answered.append(key)
        else:
            self.lost.append(f"{key}: {response.status_code} {response.text}")
        return True
