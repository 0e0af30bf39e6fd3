"""No request is lost while versions change: over REST and gRPC, on new and on kept connections."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from kserve import InferInput, InferRequest  # type: ignore[import-untyped]  # it says nothing of its types
from kserve.inference_client import InferenceGRPCClient  # type: ignore[import-untyped]

from tests.irc_runtime.served import START_TIMEOUT_S, free_port
from tests.irc_runtime.versions import Packages, Reloaded, flow_of, put_link

LINGER_S = 4
SWITCHES = 3
STREAM = {"accept": "text/event-stream"}

Ask = Callable[[], Awaitable[str]]


class Load:
    """Callers that ask without a pause, and what they are answered."""

    def __init__(self, agent: Reloaded, grpc_port: int) -> None:
        self.url = agent.url("/v1/models/sample:predict")
        self.grpc = f"127.0.0.1:{grpc_port}"
        self.answers: Counter[tuple[str, str]] = Counter()
        self.failures: list[str] = []
        self.is_over = False

    async def on_new_connections(self) -> str:
        async with httpx.AsyncClient(timeout=60) as client:
            return await self._post(client, {"query": "hi"})

    async def of_a_stream(self) -> str:
        async with httpx.AsyncClient(timeout=60, headers=STREAM) as client:
            return await self._post(client, {"query": "hi", "pause_s": 0.3})

    async def over_new_channels(self) -> str:
        async with channel(self.grpc) as client:
            return await infer(client)

    async def kept_connection(self) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            await self.repeat("kept connection", lambda: self._post(client, {"query": "hi"}))

    async def kept_channel(self) -> None:
        async with channel(self.grpc) as client:
            await self.repeat("kept channel", lambda: infer(client))

    async def _post(self, client: httpx.AsyncClient, body: dict[str, Any]) -> str:
        response = await client.post(self.url, json=body)
        assert response.status_code == 200, response.text
        return response.text

    async def repeat(self, kind: str, ask: Ask) -> None:
        while not self.is_over:
            try:
                text = await ask()
            except Exception as error:  # noqa: BLE001  # each is what the test looks for
                self.failures.append(f"{kind}: {type(error).__name__} {error}")
            else:
                (version,) = [name for name in VERSIONS if f"{name} hi" in text]
                self.answers[kind, version] += 1

    async def run(self, until: Callable[[], Awaitable[None]]) -> None:
        """Ask in every way at once, until something has been done."""
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(self.repeat("new connections", self.on_new_connections))
                group.create_task(self.repeat("streams", self.of_a_stream))
                group.create_task(self.repeat("new channels", self.over_new_channels))
                group.create_task(self.kept_connection())
            for _ in range(12):  # a server that stops cancels one request in eight
                group.create_task(self.kept_channel())
            try:
                await until()
            finally:
                self.is_over = True


VERSIONS = ["first", *(f"version {number}" for number in range(SWITCHES))]
KINDS = {"new connections", "streams", "new channels", "kept connection", "kept channel"}


@asynccontextmanager
async def channel(address: str) -> Any:
    # Without its own pool, a channel would take the connection of another one. A second attempt of what a
    # server has seen, which KServe's client makes by itself, would hide a failure; what crosses with the
    # announcement that a connection ends has been seen by none, and gRPC sends it again.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", "{}")]
    client = InferenceGRPCClient(address, channel_args=options)
    try:
        yield client
    finally:
        await client.close()


async def infer(client: InferenceGRPCClient) -> str:
    request = InferRequest("sample", [InferInput("query", [1], "BYTES", [b"hi"])])
    response = await client.infer(request, timeout=60)
    return str(response.outputs[0].data)


def test_no_request_is_lost_while_versions_change(tmp_path: Path) -> None:
    packages = Packages(tmp_path / "packages")
    versions = [packages.package(flow_of(name)) / "context/app" for name in VERSIONS[1:]]
    first = packages.package(flow_of("first"))
    grpc_port = free_port()
    flags = ("--enable_grpc=true", f"--grpc_port={grpc_port}", f"--reload_linger_s={LINGER_S}")
    agent = Reloaded(first, str(tmp_path / "current"), tmp_path, *flags)
    load = Load(agent, grpc_port)

    async def switch() -> None:
        for number, version in enumerate(versions, 1):
            put_link(tmp_path / "current", version)
            await asyncio.to_thread(agent.wait_for, "former_ended", number)
        deadline = time.monotonic() + START_TIMEOUT_S
        while {kind for kind, name in load.answers if name == VERSIONS[-1]} != KINDS:
            assert time.monotonic() < deadline, load.answers
            await asyncio.sleep(0.05)

    try:
        agent.wait_until_ready()
        asyncio.run(load.run(switch))
        assert load.failures == []
        assert set(load.answers) >= {
            (kind, name) for kind in KINDS for name in VERSIONS[::SWITCHES]
        }
        ends = [event for event in agent.events if event.get("event") == "former_ended"]
        assert [event["status"] for event in ends] == [0] * SWITCHES
        assert len(agent.children()) == 1
    finally:
        agent.stop()
