"""Several worker processes on one port, on the real KServe server."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.irc_runtime.served import InBackground, Served, Waiting, until, waiting
from tests.standins.redis_server import RedisServer


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Waiting]:
    with waiting(tmp_path, "--workers=2", "--blocked_limit_s=3") as served:
        served.wait_for_event("serving", 2)
        yield served


def answering(agent: Waiting) -> set[int]:
    """The processes that answer, of many requests side by side."""
    with ThreadPoolExecutor(16) as threads:
        bodies = [{"key": "k", "wait_s": 0.05}] * 32
        return {response.json()["pid"] for response in threads.map(agent.predict, bodies)}


def test_workers_load_agents_of_their_own_and_share_sessions(
    redis: RedisServer, tmp_path: Path
) -> None:
    environment = {"REDIS_URL": redis.url}
    flag = "--workers=2"
    with waiting(tmp_path, flag, name="counting", environment=environment) as agent:
        agent.wait_for_event("serving", 2)
        with ThreadPoolExecutor(20) as threads:
            bodies = [{"session_id": "s", "key": str(n), "wait_s": 0.01} for n in range(60)]
            answers = [response.json() for response in threads.map(agent.predict, bodies)]
        assert sorted(answer["turn"] for answer in answers) == list(range(1, 61))
        assert len({answer["pid"] for answer in answers}) == 2
        assert agent.process.pid not in {answer["pid"] for answer in answers}
        assert len(agent.named("loaded")) == 2
        assert agent.stop() == 0


def test_state_in_memory_is_refused(tmp_path: Path) -> None:
    agent = Served({"PATH": os.environ["PATH"]}, tmp_path, "--workers=2")
    assert agent.process.wait(60) == 1
    (event,) = agent.events
    assert event["event"] == "load_failed"
    assert event["reason"] == (
        "node 'remember' keeps session state in memory, which workers do not share: "
        "use the backend redis, or --workers=1"
    )


def test_a_worker_that_is_killed_is_replaced(agent: Waiting) -> None:
    until(lambda: len(answering(agent)) == 2)
    first = agent.predict({"key": "k"}).json()["pid"]
    os.kill(first, signal.SIGKILL)
    ended = agent.wait_for_event("worker_ended")
    assert ended["signal"] == "SIGKILL"
    assert agent.predict({"key": "k"}).json()["pid"] != first
    agent.wait_for_event("serving", 3)
    until(lambda: len(answering(agent) - {first}) == 2)
    assert agent.stop() == 0


def test_a_worker_that_is_stuck_is_replaced_while_the_other_answers(agent: Waiting) -> None:
    stuck = InBackground(lambda: agent.predict({"key": "stuck", "block_s": 600}))
    until(lambda: agent.journal("begun"))
    ended = agent.wait_for_event("worker_ended")
    assert ended["status"] == 1
    assert isinstance(stuck.get(), httpx.TransportError)
    agent.wait_for_event("serving", 3)
    until(lambda: len(answering(agent)) == 2)
    assert agent.stop() == 0
    assert agent.journal("begun").count("stuck") == 1


def test_workers_do_not_outlive_the_first_process(agent: Waiting) -> None:
    until(lambda: len(answering(agent)) == 2)
    slow = InBackground(lambda: agent.predict({"key": "slow", "wait_s": 2}))
    until(lambda: "slow" in agent.journal("begun"))
    agent.process.kill()
    assert slow.get().status_code == 200
    until(lambda: len(agent.named("stopped")) == 2)
    with pytest.raises(httpx.ConnectError):
        agent.predict({"key": "k"})


def test_workers_that_cannot_load_end_the_process(tmp_path: Path) -> None:
    agent = Waiting(tmp_path, "--workers=2", environment={"BROKEN": "/"})
    assert agent.process.wait(60) == 1
    assert {event["event"] for event in agent.events} == {"load_failed", "worker_ended"}


def test_a_worker_that_does_not_come_back_is_tried_again(tmp_path: Path) -> None:
    """What it needs is gone for the time in which it would be replaced: the other holds out."""
    broken = tmp_path / "broken"
    with waiting(tmp_path, "--workers=2", environment={"BROKEN": str(broken)}) as agent:
        agent.wait_for_event("serving", 2)
        first = agent.predict({"key": "k"}).json()["pid"]
        broken.touch()
        os.kill(first, signal.SIGKILL)
        agent.wait_for_event("load_failed")
        assert agent.predict({"key": "k"}).json()["pid"] != first
        broken.unlink()
        agent.wait_for_event("serving", 3)
        assert agent.stop() == 0


def test_ctrl_c_at_a_terminal_reaches_each_worker_once(tmp_path: Path) -> None:
    """A terminal signals the whole group of processes: requests are finished all the same."""
    with waiting(tmp_path, "--workers=2") as agent:
        agent.wait_for_event("serving", 2)
        slow = InBackground(lambda: agent.predict({"key": "slow", "wait_s": 2}))
        until(lambda: agent.journal("begun"))
        os.killpg(agent.process.pid, signal.SIGINT)
        assert slow.get().status_code == 200
        assert agent.process.wait(30) == 0
        assert len(agent.named("draining")) == 2
