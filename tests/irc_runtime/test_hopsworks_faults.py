"""What a node sees when Hopsworks' online store fails, and what goes on all the same."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import FeatureStoreError, NodeError
from irc_runtime.features import FeatureRead, FeatureStore, connect_features
from irc_runtime.hopsworks import session
from irc_runtime.node import Inputs, Node, Outputs
from tests.irc_runtime.agents import agent_of
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.certificates import self_signed
from tests.standins.hopsworks_api import Hopsworks

BATCH = "/0.1.0/batch_feature_store"
PLAN = FeatureRead(
    "customers", kind="feature_view", version=3, key=("customer_id",), features=("plan",)
)
U1 = {"customer_id": "u1"}
REQUEST = {"customer_id": "u1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopsworks]:
    with hopsworks_project(tmp_path_factory.mktemp("authority")) as server:
        yield server


@pytest.fixture
def project(server: Hopsworks) -> Hopsworks:
    """The server, with nothing failing and no request noted."""
    server.heal()
    return server


@asynccontextmanager
async def connected(*uses: FeatureRead) -> AsyncIterator[FeatureStore]:
    """The features, which are closed whatever happens."""
    features = connect_features(*uses)
    try:
        yield features
    finally:
        await features.close()


async def read(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    """The body of a node that reads the customer's plan."""
    found: Outputs = await agent.features.read(PLAN, {"customer_id": inputs["customer_id"]})
    return found


async def failure_of(features: FeatureStore) -> FeatureStoreError:
    """What two reads of one call fail with: each with an exception of its own."""
    reads = (features.read(PLAN, {"customer_id": key}) for key in ("u1", "u2"))
    first, second = await asyncio.gather(*reads, return_exceptions=True)
    assert isinstance(first, FeatureStoreError)
    assert isinstance(second, FeatureStoreError)
    assert first is not second
    assert (second.reason, second.retryable) == (first.reason, first.retryable)
    return first


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (401, "it refuses the API key (status 401)", False),
        (403, "status 403", False),
        (404, "status 404", False),
        (429, "status 429", True),
        (500, "status 500", True),
        (503, "status 503", True),
    ],
)
def test_a_status_says_whether_another_attempt_can_succeed(
    project: Hopsworks, status: int, reason: str, retryable: bool
) -> None:
    async def main() -> None:
        async with connected(PLAN) as features:
            project.failing[BATCH] = status
            failure = await failure_of(features)
            assert failure.reason == f"the online store failed: {reason}"
            assert failure.retryable == retryable
            assert len(project.asked(BATCH)) == 1  # not once more for each key
            project.heal()
            assert await features.read(PLAN, U1) == {"plan": "gold"}

    asyncio.run(main())


def test_a_key_that_expired_or_a_view_that_is_gone_is_not_tried_again(project: Hopsworks) -> None:
    async def main() -> None:
        async with connected(PLAN) as features:
            agent = agent_of(Node("n", attempts=3, backoff_s=0.0), read, features=features)
            for status in (401, 404):
                project.heal()
                project.failing[BATCH] = status
                with pytest.raises(NodeError) as caught:
                    await agent.predict(REQUEST)
                assert (caught.value.type, caught.value.attempts) == ("features", 1)
                assert len(project.asked(BATCH)) == 1

    asyncio.run(main())


def test_a_server_that_asks_for_a_pause_is_given_it(project: Hopsworks) -> None:
    async def main() -> None:
        async with connected(PLAN) as features:
            project.failing[BATCH], project.retry_after_s = 429, 7
            assert (await failure_of(features)).retry_after_s == 7.0

    asyncio.run(main())


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Bad gateway</html>",
        b"{}",
        b"[]",
        b"null",
        json.dumps({"features": [["u1"]], "status": ["COMPLETE"], "metadata": None}).encode(),
        b'{"features": [[',
    ],
)
def test_an_answer_that_cannot_be_read_is_tried_again(project: Hopsworks, body: bytes) -> None:
    async def main() -> None:
        async with connected(PLAN) as features:
            project.garbled[BATCH] = body
            failure = await failure_of(features)
            assert failure.reason.startswith("the online store failed: its answer cannot be read (")
            assert failure.retryable
            assert len(project.asked(BATCH)) == 1
            project.heal()
            assert await features.read(PLAN, U1) == {"plan": "gold"}

    asyncio.run(main())


def test_a_connection_that_is_cut_costs_an_attempt(project: Hopsworks) -> None:
    async def main() -> None:
        async with connected(PLAN) as features:
            project.cut.add(BATCH)
            failure = await failure_of(features)
            assert failure.reason == "the online store failed: it cannot be reached"
            assert failure.retryable
            project.heal()
            assert await features.read(PLAN, U1) == {"plan": "gold"}

    asyncio.run(main())


def test_a_certificate_that_is_not_trusted_any_more_is_not_tried_again(
    project: Hopsworks, tmp_path: Path
) -> None:
    """The server has got a new certificate, of an authority that the agent does not know."""

    def serve(certificate: str, key: str) -> None:
        file = tmp_path / "server.pem"
        file.write_text(certificate + key)
        project.tls.load_cert_chain(file)

    async def main() -> None:
        async with connected(PLAN) as features:
            project.cut.add(BATCH)  # so that the next call makes a new connection
            await failure_of(features)
            project.heal()
            serve(*self_signed(project.address))
            failure = await failure_of(features)
            assert "certificate is not trusted" in failure.reason
            assert not failure.retryable
            serve(project.certificate, project.key)
            assert await features.read(PLAN, U1) == {"plan": "gold"}

    assert isinstance(project.tls, ssl.SSLContext)
    asyncio.run(main())


def test_a_store_that_does_not_answer_in_time_is_tried_again(project: Hopsworks) -> None:
    """The client's own limit is two seconds; the server answers after it."""

    async def main() -> None:
        async with connected(PLAN) as features:
            project.release.clear()
            project.held.add(BATCH)
            failure = await failure_of(features)
            assert failure.reason == "the online store failed: it does not answer in time"
            assert failure.retryable
            project.heal()
            project.release.set()
            assert await features.read(PLAN, U1) == {"plan": "gold"}

    asyncio.run(main())


def test_an_attempt_that_times_out_takes_no_other_with_it(project: Hopsworks) -> None:
    """Both read in the same call; one has less time than the store takes."""

    async def main() -> None:
        async with connected(PLAN) as features:
            project.release.clear()
            project.held.add(BATCH)
            hasty = agent_of(Node("n", timeout_s=0.05), read, features=features)
            patient = agent_of(Node("n"), read, features=features)
            other = asyncio.create_task(patient.predict({"customer_id": "u2"}))
            with pytest.raises(NodeError) as caught:
                await hasty.predict(REQUEST)
            assert caught.value.kind == "timeout"
            project.held.clear()
            project.release.set()
            assert await other == {"plan": "team"}
            assert [len(body["entries"]) for body in project.asked(BATCH)] == [2]

    asyncio.run(main())


def test_a_read_that_nobody_waits_for_is_not_sent(
    project: Hopsworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only thread is busy with a store that does not answer; who gave up leaves no call."""
    monkeypatch.setattr(session, "MAX_CONNECTIONS", 1)

    async def main() -> None:
        async with connected(PLAN) as features:
            project.release.clear()
            project.holding.clear()
            project.held.add(BATCH)
            busy = asyncio.create_task(features.read(PLAN, U1))
            await asyncio.to_thread(project.holding.wait, 10)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await features.read(PLAN, {"customer_id": "u2"})
            project.held.clear()
            project.release.set()
            assert await busy == {"plan": "gold"}
            assert await features.read(PLAN, U1) == {"plan": "gold"}
            asked = [body["entries"] for body in project.asked(BATCH)]
            assert asked == [[U1], [U1]]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
