"""State and features of agents in processes of their own, on the real KServe server."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from irc_runtime.features.load import load_features
from tests.irc_runtime import ledger_agent
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.irc_runtime.kafka_topic import kafka_broker, records
from tests.irc_runtime.served import InBackground, Served, until
from tests.standins.redis_server import RedisServer, running_redis

VALUES = "irc:{ledger/s1}:values"
HOLDER = "irc:{ledger/s1}:holder"
TURN = {"session_id": "s1"}

#: Where the client asks before it writes to the group ``scores``.
INGESTION = "/project/5/featurestores/7/featuregroups/12/online_ingestion"


@contextmanager
def serving(
    folder: Path, environment: Mapping[str, str], number: int = 1
) -> Iterator[list[Served]]:
    """Processes that serve the agent, and are killed at the end if they still run."""
    variables = {"PATH": os.environ["PATH"], **environment}
    with ExitStack() as stack:
        agents = []
        for _ in range(number):
            agent = Served(variables, folder, module=ledger_agent.__name__, name="ledger")
            stack.callback(agent.process.wait)
            stack.callback(agent.process.kill)
            agents.append(agent)
        yield agents


def ask_all(requests: Sequence[tuple[Served, Mapping[str, Any]]]) -> list[httpx.Response]:
    """Send all requests at once."""

    async def main() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            url = "/v1/models/ledger:predict"
            asked = [client.post(agent.url(url), json=body) for agent, body in requests]
            return await asyncio.gather(*asked)

    return asyncio.run(main())


def ask_for_rows(agent: Served, count: int) -> InBackground:
    """Have so many rows written, and return when all of them are asked for."""
    requests = [(agent, {"number": number}) for number in range(1, count + 1)]
    asking = InBackground(lambda: ask_all(requests))
    until(lambda: agent.predict({}).json()["rows"] == count)
    return asking


@pytest.fixture
def client(redis: RedisServer) -> Iterator[Redis]:
    """Who looks into the Redis."""
    with redis.client() as client:
        yield client


def test_two_hundred_turns_of_one_session_over_two_processes_lose_nothing(
    redis: RedisServer, client: Redis, tmp_path: Path
) -> None:
    with serving(tmp_path, {"REDIS_URL": redis.url}, 2) as agents:
        for agent in agents:
            agent.wait_until_ready()
        answers = ask_all([(agents[number % 2], TURN) for number in range(200)])
        assert [answer.status_code for answer in answers] == [200] * 200
        bodies = [answer.json() for answer in answers]
        assert sorted(body["turn"] for body in bodies) == list(range(1, 201))
        pids = {agent.process.pid for agent in agents}
        assert {body["pid"] for body in bodies} == pids
        assert [agent.stop() for agent in agents] == [0, 0]
    assert client.hgetall(VALUES) == {"turn": "200"}
    assert client.keys("*") == [VALUES]  # no hold is left, and nobody in line


def test_an_agent_whose_redis_is_away_starts_and_is_ready_when_it_comes(
    redis: RedisServer, tmp_path: Path
) -> None:
    redis.kill()
    with serving(tmp_path, {"REDIS_URL": redis.url}) as [agent]:
        agent.wait_for_event("serving")
        assert agent.named("state_awaited")[0]["reason"] == "it cannot be reached"
        assert httpx.get(agent.url("/v2/health/live")).status_code == 200
        assert httpx.get(agent.url("/v2/health/ready")).status_code == 503
        assert httpx.get(agent.url("/v1/models/ledger")).status_code == 503
        redis.start()
        agent.wait_until_ready()
        assert agent.named("state_connected")
        assert agent.predict(TURN).json()["turn"] == 1
        redis.kill()
        assert httpx.get(agent.url("/v2/health/ready")).status_code == 200
        assert agent.stop() == 0


def test_a_process_that_stood_still_past_its_lease_cannot_write(
    redis: RedisServer, client: Redis, tmp_path: Path
) -> None:
    with serving(tmp_path, {"REDIS_URL": redis.url}, 2) as [stalled, other]:
        stalled.wait_until_ready()
        other.wait_until_ready()
        slow = InBackground(lambda: stalled.predict({**TURN, "wait_s": 0.1}))
        stale = until(lambda: client.get(HOLDER))
        stalled.process.send_signal(signal.SIGSTOP)
        assert other.predict(TURN).json()["turn"] == 1  # when the lease has lapsed
        stalled.process.send_signal(signal.SIGCONT)
        answer = slow.get()
        assert (answer.status_code, answer.json()["turn"]) == (200, 2)
        failed = stalled.named("attempt_failed")
        assert [event["reason"] for event in failed] == [
            "the state's key was lost to another execution"
        ]
        assert [agent.stop() for agent in (stalled, other)] == [0, 0]
    assert stale is not None
    assert client.keys("*") == [VALUES]


def test_a_redis_that_is_killed_under_load_loses_and_doubles_no_turn(tmp_path: Path) -> None:
    """It keeps what it has answered (``appendfsync always``), so that a restart forgets nothing."""
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with (
        running_redis(tmp_path, *options) as redis,
        serving(tmp_path, {"REDIS_URL": redis.url}, 2) as agents,
    ):
        for agent in agents:
            agent.wait_until_ready()
        requests = [(agents[number % 2], {**TURN, "wait_s": 0.005}) for number in range(100)]
        asking = InBackground(lambda: ask_all(requests))
        with redis.client() as client:
            until(lambda: int(client.hget(VALUES, "turn") or 0) >= 10)
        redis.kill()
        redis.start()
        answers = asking.get()
        turns = [answer.json()["turn"] for answer in answers if answer.status_code == 200]
        assert len(set(turns)) == len(turns)
        assert len(turns) == 100, [answer.text for answer in answers if answer.status_code != 200]
        assert [agent.stop() for agent in agents] == [0, 0]
        with redis.client() as client:
            # A write that Redis made and could not tell of is made again by the next attempt.
            assert 100 <= int(client.hget(VALUES, "turn") or 0) <= 101
            assert client.keys("*holder") == []


def test_a_term_signal_amid_writes_loses_none_that_was_answered(tmp_path: Path) -> None:
    source, store = tmp_path / "scores.csv", tmp_path / "features.db"
    source.write_text("customer_no,event_time,score\n0,2024-01-01,0.5\n")
    load_features(
        source, store, name="scores", version=1, key=("customer_no",), event_time="event_time"
    )
    with (
        serving(tmp_path, {"IRC_FEATURES": f"sqlite:///{store}"}) as [agent],
        closing(sqlite3.connect(store, isolation_level=None)) as other,
    ):
        agent.wait_until_ready()
        other.execute("BEGIN IMMEDIATE")  # so that all of them are under way
        asking = ask_for_rows(agent, 40)
        agent.process.send_signal(signal.SIGTERM)
        agent.wait_for_event("draining")
        other.execute("ROLLBACK")
        answers = asking.get()
        assert [answer.json() for answer in answers] == [{"kept": True}] * 40
        assert agent.process.wait(30) == 0
        rows = other.execute("SELECT count(*) FROM rows_1").fetchone()
    assert rows == (41,)


def test_a_term_signal_amid_writes_to_hopsworks_loses_none_that_was_answered(
    tmp_path: Path,
) -> None:
    with hopsworks_project(tmp_path) as project, kafka_broker(project):
        names = [name for name in os.environ if name.startswith("HOPSWORKS_")]
        environment = {name: os.environ[name] for name in (*names, "IRC_FEATURES", "NO_PROXY")}
        project.held.add(INGESTION)  # so that all of them are under way
        with serving(tmp_path, environment) as [agent]:
            agent.wait_until_ready()
            asking = ask_for_rows(agent, 40)
            agent.process.send_signal(signal.SIGTERM)
            agent.wait_for_event("draining")
            project.release.set()
            answers = asking.get()
            assert [answer.json() for answer in answers] == [{"kept": True}] * 40
            assert agent.process.wait(30) == 0
        written = [record["customer_no"] for record, _ in records(project, 40)]
        assert sorted(written) == list(range(1, 41))
