"""A gRPC server that hands all on to another, and meddles with blobs on their way back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]  # its stubs are another package

#: Blobs of any size, and several small ones at once.
READS = (
    "/google.bytestream.ByteStream/Read",
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs",
)


class Forwarding(grpc.GenericRpcHandler):  # type: ignore[misc]  # of no known type, as above
    """Hands on every method as a stream of bytes.

    Attributes:
        count: of answers that were meddled with.
    """

    def __init__(self, channel: grpc.Channel, meddle: Callable[[bytes], bytes]) -> None:
        self._channel = channel
        self._meddle = meddle
        self.count = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        call = self._channel.stream_stream(details.method)
        metadata = [
            (key, value)
            for key, value in details.invocation_metadata
            if key != "user-agent" and not key.startswith(":")
        ]

        def forward(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            answers = call(requests, metadata=metadata)
            try:
                for answer in answers:
                    if details.method in READS:
                        self.count += 1
                        answer = self._meddle(answer)
                    yield answer
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.stream_stream_rpc_method_handler(forward)


@contextmanager
def meddling_proxy(
    behind: int, meddle: Callable[[bytes], bytes]
) -> Iterator[tuple[int, Forwarding]]:
    """A proxy for the length of the block.

    Args:
        behind: the port of the server on the loopback.
        meddle: with each answer of READS, as it is encoded: its last bytes are a blob's.
    Yields:
        The proxy's port, and what counts.
    """
    with grpc.insecure_channel(f"127.0.0.1:{behind}") as channel:
        forwarding = Forwarding(channel, meddle)
        server = grpc.server(ThreadPoolExecutor(64), handlers=(forwarding,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port, forwarding
        finally:
            server.stop(grace=None).wait()
