"""Features of a Hopsworks project, by its real client against a stand-in."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.branches import Branches
from irc_runtime.context import Context
from irc_runtime.errors import FeatureStoreError, LoadError, RowNotFoundError
from irc_runtime.features import FeatureRead, FeatureStore, connect_features
from irc_runtime.hopsworks import session
from irc_runtime.hopsworks.features import HopsworksFeatures
from irc_runtime.node import Inputs, Node, Outputs, node
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.hopsworks_api import Hopsworks

BATCH = "/0.1.0/batch_feature_store"

VIEW = FeatureRead("customers_v3", kind="feature_view", key=("customer_id",))
PLAN = FeatureRead(
    "customers", kind="feature_view", version=3, key=("customer_id",), features=("plan",)
)
NOTE = FeatureRead("notes", kind="feature_view", key=("customer_id",), features=("note",))
U1 = {
    "customer_id": "u1",
    "event_time": "2024-06-01T10:30:00.500000Z",
    "plan": "gold",
    "tickets": 2,
    "joined": "2023-05-01T00:00:00Z",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hopsworks]:
    with hopsworks_project(tmp_path_factory.mktemp("authority")) as server:
        yield server


@pytest.fixture
def project(server: Hopsworks) -> Hopsworks:
    """The server, with nothing failing and no request noted."""
    server.heal()
    return server


async def ask(*reads: tuple[FeatureRead, Any]) -> list[Any]:
    """What each read gives, or raises; all at once."""
    features = connect_features(*dict.fromkeys(read for read, _ in reads))
    try:
        reading = [features.read(read, {read.key[0]: key}) for read, key in reads]
        return list(await asyncio.gather(*reading, return_exceptions=True))
    finally:
        await features.close()


def test_a_view_gives_the_latest_record(project: Hopsworks) -> None:
    assert asyncio.run(ask((VIEW, "u1"))) == [U1]
    assert asyncio.run(ask((PLAN, "u1"))) == [{"plan": "gold"}]


def test_reads_of_one_moment_are_one_call_and_fail_apart(project: Hopsworks) -> None:
    reads = [(VIEW, "u1"), (PLAN, "u2"), (PLAN, None), (PLAN, "u1")]
    found = asyncio.run(ask(*reads))
    assert found[:2] == [U1, {"plan": "team"}]
    assert isinstance(found[2], FeatureStoreError)
    assert found[3] == {"plan": "gold"}
    assert [len(body["entries"]) for body in project.asked(BATCH)] == [3]


def test_nodes_side_by_side_and_requests_of_one_time_read_together(project: Hopsworks) -> None:
    """Two branches of a flow read the same view, and a third another one, in ten requests."""

    class Reading(Agent):
        features: FeatureStore

        async def run(self, request: Inputs, ctx: Context) -> Any:
            async with Branches() as branches:
                plan = branches.start(self.plan(request, ctx))
                whole = branches.start(self.whole(request, ctx))
                note = branches.start(self.note(request, ctx))
                return {**await plan, **await whole, **await note}

        @node(Node("plan"))
        async def plan(self, inputs: Inputs, ctx: Context) -> Outputs:
            return await self.features.read(PLAN, {"customer_id": "u1"})

        @node(Node("whole"))
        async def whole(self, inputs: Inputs, ctx: Context) -> Outputs:
            return {"whole": await self.features.read(VIEW, {"customer_id": "u1"})}

        @node(Node("note"))
        async def note(self, inputs: Inputs, ctx: Context) -> Outputs:
            return await self.features.read(NOTE, {"customer_id": "u1"})

    async def main() -> None:
        agent = Reading()
        agent.features = connect_features(PLAN, VIEW, NOTE)
        agent.load()
        try:
            answers = await asyncio.gather(*(agent.predict({}) for _ in range(10)))
        finally:
            await agent.close()
        assert answers == [{"plan": "gold", "whole": U1, "note": "vip"}] * 10

    asyncio.run(main())
    asked = {body["featureViewName"]: len(body["entries"]) for body in project.asked(BATCH)}
    assert asked == {"customers": 20, "notes": 10}
    assert len(project.asked(BATCH)) == 2


def test_a_missing_row_is_an_error_and_a_row_of_nulls_is_a_row(project: Hopsworks) -> None:
    found = asyncio.run(ask((NOTE, "u1"), (NOTE, "nobody"), (NOTE, "u2"), (NOTE, "no one")))
    assert (found[0], found[2]) == ({"note": "vip"}, {"note": None})
    assert isinstance(found[1], RowNotFoundError)
    assert isinstance(found[3], RowNotFoundError)
    assert found[1].reason == "'notes' version 1 has no row for that key"
    assert asyncio.run(ask((NOTE, "u2"))) == [{"note": None}]
    found = asyncio.run(ask((NOTE, "u1"), (NOTE, "nobody"), (NOTE, "no one")))
    assert [type(answer) for answer in found] == [dict, RowNotFoundError, RowNotFoundError]


def test_a_missing_row_of_an_optional_read_is_none(project: Hopsworks) -> None:
    async def main() -> None:
        features = connect_features(PLAN)
        assert await features.find(PLAN, {"customer_id": "nobody"}) is None
        await features.close()

    asyncio.run(main())


def test_what_a_joined_group_lacks_is_null(project: Hopsworks) -> None:
    activity = FeatureRead(
        "activity", kind="feature_view", key=("customer_id",), features=("plan", "pages")
    )
    found = asyncio.run(ask((activity, "u1"), (activity, "u2"), (activity, "nobody")))
    assert found[:2] == [{"plan": "gold", "pages": 12}, {"plan": "team", "pages": None}]
    assert isinstance(found[2], RowNotFoundError)


@pytest.mark.parametrize("key", [1001, "1001", 1001.0])
def test_numbers_and_texts_are_the_same_key(project: Hopsworks, key: object) -> None:
    scores = FeatureRead("scores", kind="feature_view", key=("customer_no",), features=("score",))
    assert asyncio.run(ask((scores, key))) == [{"score": 0.25}]
    assert project.asked(BATCH)[0]["entries"] == [{"customer_no": 1001}]


def test_a_key_that_the_server_refuses_fails_alone(project: Hopsworks) -> None:
    found = asyncio.run(ask((PLAN, "u1"), (PLAN, "poison"), (PLAN, "u2")))
    assert (found[0], found[2]) == ({"plan": "gold"}, {"plan": "team"})
    assert isinstance(found[1], FeatureStoreError)
    assert (found[1].reason, found[1].retryable) == ("the online store failed: status 400", False)


def test_a_server_out_of_order_is_told_without_content_and_tried_again(project: Hopsworks) -> None:
    async def main() -> None:
        features = connect_features(PLAN)
        project.failing[BATCH] = 503
        with pytest.raises(FeatureStoreError) as caught:
            await features.read(PLAN, {"customer_id": "u1"})
        assert caught.value.reason == "the online store failed: status 503"
        assert caught.value.retryable
        project.failing.clear()
        assert await features.read(PLAN, {"customer_id": "u1"}) == {"plan": "gold"}
        await features.close()

    asyncio.run(main())


def test_a_slow_answer_keeps_nobody_else_waiting(project: Hopsworks) -> None:
    async def main() -> None:
        features = connect_features(PLAN, VIEW)
        project.held.add(BATCH)
        slow = asyncio.create_task(features.read(PLAN, {"customer_id": "u1"}))
        await asyncio.to_thread(project.holding.wait, 10)
        project.held.clear()
        assert await features.read(PLAN, {"customer_id": "u2"}) == {"plan": "team"}
        assert not slow.done()
        project.release.set()
        assert await slow == {"plan": "gold"}
        await features.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (FeatureRead("customer", kind="feature_view"), "no feature view 'customer' version 1"),
        (FeatureRead("customers_v4", kind="feature_view"), "no feature view 'customers' version 4"),
        (FeatureRead("orders"), "the project 'shop' has no feature group 'orders' version 1"),
        (
            FeatureRead("customers_v3", kind="feature_view", key=("id",)),
            r"the key of 'customers' version 3 is \(customer_id\), not \(id\)",
        ),
        (
            FeatureRead(
                "customers_v3", kind="feature_view", key=("customer_id",), features=("pln",)
            ),
            r"no feature 'pln' \(did you mean 'plan'\?\)",
        ),
    ],
)
def test_what_a_flow_uses_is_looked_up_at_load(
    project: Hopsworks, use: FeatureRead, message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        HopsworksFeatures([use])


def test_requests_ask_nothing_but_the_online_store(project: Hopsworks) -> None:
    async def main() -> None:
        features = connect_features(PLAN)
        project.requests.clear()
        await features.read(PLAN, {"customer_id": "u1"})
        assert project.requests == [("POST", BATCH)]
        await features.close()

    asyncio.run(main())


def test_the_session_is_shared_and_leaves_no_keys(
    project: Hopsworks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def main() -> None:
        first, second = connect_features(PLAN), connect_features(PLAN)
        [keys] = tmp_path.iterdir()
        assert (keys / "client_key.pem").stat().st_mode & 0o777 == 0o600
        await first.close()
        assert await second.read(PLAN, {"customer_id": "u1"}) == {"plan": "gold"}
        await second.close()

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
    assert len([path for _, path in project.requests if path.endswith("/credentials")]) == 1


def test_a_login_that_fails_says_why(project: Hopsworks, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("HOPSWORKS_API_KEY", "wrong.key")
        with pytest.raises(LoadError, match="Hopsworks: it refuses the API key"):
            HopsworksFeatures([PLAN])
    with monkeypatch.context() as patched:
        patched.setenv("HOPSWORKS_PORT", "1")
        with pytest.raises(LoadError, match="Hopsworks: it cannot be reached"):
            HopsworksFeatures([PLAN])
    with monkeypatch.context() as patched:
        patched.delenv("HOPSWORKS_TRUST_STORE_PATH")
        with pytest.raises(LoadError, match="certificate is not trusted"):
            HopsworksFeatures([PLAN])
    with monkeypatch.context() as patched:
        patched.setenv("HOPSWORKS_PROJECT", "garden")
        with pytest.raises(LoadError, match="Could not find project garden"):
            HopsworksFeatures([PLAN])


def test_a_server_that_never_answers_fails_the_load(
    project: Hopsworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOAD_TIMEOUT_S", 0.05)
    project.held.add("/variables/versions")
    project.release.clear()
    try:
        with pytest.raises(LoadError, match="no answer within 0.05 s"):
            HopsworksFeatures([PLAN])
    finally:
        project.held.clear()
        project.failing["/variables/versions"] = 500
        project.release.set()
        for thread in threading.enumerate():
            if thread.name.startswith("hopsworks"):
                thread.join()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"HOPSWORKS_HOST": "", "HOPSWORKS_API_KEY": ""}, "HOST, HOPSWORKS_API_KEY, not set"),
        ({"HOPSWORKS_PORT": "https"}, "HOPSWORKS_PORT is not a port number"),
        ({"HOPSWORKS_TRUST_STORE_PATH": "/nowhere.pem"}, "there is no file /nowhere.pem"),
    ],
)
def test_what_the_client_would_ask_for_is_checked_first(
    project: Hopsworks, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LoadError, match=message):
        HopsworksFeatures([PLAN])
    assert project.requests == []


def test_a_container_without_a_place_for_keys_says_what_to_do(
    project: Hopsworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(LoadError, match="mount one at /tmp, or name one with TMPDIR"):
        HopsworksFeatures([PLAN])


QUIET = """
import asyncio, logging, warnings
import pandas, requests  # which have filters of their own
from irc_runtime.features import FeatureRead, connect_features

def settings():
    root = logging.getLogger()
    kept = [repr(entry) for entry in warnings.filters if "hops" not in repr(entry)]
    kept = [entry for entry in kept if "hsfs" not in entry and "hsml" not in entry]
    return [root.level, repr(root.handlers), warnings.formatwarning.__module__, kept]

async def main():
    view = FeatureRead("customers_v3", kind="feature_view", key=("customer_id",))
    features = connect_features(view)
    await features.read(view, {"customer_id": "u1"})
    await features.close()

before = settings()
asyncio.run(main())
assert settings() == before, (settings(), before)
"""


def test_the_client_leaves_output_logging_and_warnings_as_they_are(project: Hopsworks) -> None:
    names = ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", QUIET],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
