"""New versions taken by a running agent: the real server, in processes of its own."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from tests.irc_runtime.served import START_TIMEOUT_S, until
from tests.irc_runtime.test_metrics import number as counted
from tests.irc_runtime.versions import (
    ASKING,
    CODE,
    FLOW,
    Packages,
    Reloaded,
    cmdline,
    flow_of,
    put_link,
)

Start: TypeAlias = Callable[..., Reloaded]

LINGER = "--reload_linger_s=1"
BROKEN = {
    "raise RuntimeError('secret')": "RuntimeError in shop.saying:1",
    "import not_there": "ModuleNotFoundError in shop.saying:1",
    "import os; os._exit(3)": "it ended with status 3 before it served",
    "import time; time.sleep(3600)": "it was not ready within 25 s",
}
DYING = f"import os\n{CODE}".replace(
    "    await", "    inputs['query'] == 'die' and os._exit(7)\n    await"
)
OTHER_CONTRACT = FLOW.replace("requires: [query]", "requires: [query, locale]").replace(
    "request: {query: hi}", "request: {query: hi, locale: en}"
)


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


@pytest.fixture
def start(packages: Packages, tmp_path: Path) -> Iterator[Start]:
    """Serves the version ``first``; new ones are taken from the link ``current``."""
    agents: list[Reloaded] = []

    def start(*flags: str, place: str | None = None) -> Reloaded:
        first = packages.package(flow_of("first"))
        agent = Reloaded(first, place or str(tmp_path / "current"), tmp_path, LINGER, *flags)
        agents.append(agent)
        return agent

    yield start
    for agent in agents:
        if agent.process.poll() is None:
            agent.stop()


def test_a_new_folder_is_served_and_the_former_version_ends(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    assert agent.said() == "first hi"
    (former,) = agent.children()
    for number, name in enumerate(["second", "third"], 1):
        put_link(tmp_path / "current", packages.package(flow_of(name)) / "context/app")
        switched = agent.wait_for("switched", number)
        assert agent.said() == f"{name} hi"
        assert agent.wait_for("former_ended", number)["former"] == switched["former"]
        assert former not in agent.children()
        (former,) = agent.children()
    ok = {"agent": "sample", "outcome": "ok"}  # one of each version
    assert counted(agent, "irc_request_duration_seconds_count", **ok) == 3
    assert len(list(tmp_path.glob("version-*"))) == 2  # what serves, and what it would go back to
    assert agent.stop() == 0
    assert not list(tmp_path.glob("version-*"))


def test_a_new_layout_is_served(start: Start, packages: Packages, tmp_path: Path) -> None:
    agent = start(place=f"oci:{tmp_path / 'current'}")
    agent.wait_until_ready()
    put_link(tmp_path / "current", packages.package(flow_of("second")) / "image")
    agent.wait_for("switched")
    assert agent.said() == "second hi"


def broken_versions() -> Iterator[tuple[str, dict[str, str]]]:
    """Why versions are refused, and the versions."""
    good = flow_of("broken")
    for line, reason in BROKEN.items():
        yield reason, {**good, "saying.py": f"{line}\n{good['saying.py']}"}
    yield "needs the environment variable OPENAI_API_KEY", flow_of("broken", flow=ASKING)
    wrong = "case 'it says what it hears' (code/shop/flow.yaml:11): the response is another one"
    yield wrong, {**good, "saying.py": CODE}
    new_field = "it requires locale, which callers need not send so far"
    yield new_field, flow_of("broken", flow=OTHER_CONTRACT)


def test_what_fails_leaves_the_former_version_serving(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start("--reload_timeout_s=25")
    agent.wait_until_ready()
    number = 0
    for number, (reason, files) in enumerate(broken_versions(), 1):
        put_link(tmp_path / "current", packages.package(files) / "context/app")
        event = agent.wait_for("reload_refused", number)
        assert reason in event["reason"]
        assert agent.said() == "first hi"
    assert "secret" not in agent.log
    looks_s = time.monotonic() + 3  # in which none may be begun anew
    while time.monotonic() < looks_s:
        assert len(agent.children()) == 1
        time.sleep(0.05)
    put_link(tmp_path / "current", packages.package(flow_of("good")) / "context/app")
    agent.wait_for("switched")
    assert len([x for x in agent.events if x.get("event") == "reload_refused"]) == number
    assert agent.said() == "good hi"


def test_a_storm_of_versions_ends_with_the_last(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    versions = [packages.package(flow_of(f"v{number}")) for number in range(20)]
    for version in versions:
        put_link(tmp_path / "current", version / "context/app")
        assert agent.said().endswith(" hi")
        assert len(agent.children()) <= 2
        time.sleep(0.2)
    deadline = time.monotonic() + START_TIMEOUT_S
    while agent.said() != "v19 hi":
        assert time.monotonic() < deadline, agent.log
        assert len(agent.children()) <= 2
    assert not [x for x in agent.events if x.get("event") == "reload_refused"]


def test_a_version_that_dies_after_the_switch_gives_way_to_the_former(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    put_link(tmp_path / "current", packages.package(flow_of("second", code=DYING)) / "context/app")
    agent.wait_for("switched")
    assert agent.said() == "second hi"
    with pytest.raises(httpx.TransportError):
        agent.predict({"query": "die"})
    assert agent.said() == "first hi"  # it has waited until somebody answered
    assert "status 7" in agent.wait_for("rolled_back")["reason"]
    put_link(tmp_path / "current", packages.package(flow_of("third")) / "context/app")
    agent.wait_for("switched", 2)
    assert agent.said() == "third hi"


def test_a_version_that_dies_while_the_next_loads_leaves_the_former_alone(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    put_link(tmp_path / "current", packages.package(flow_of("second", code=DYING)) / "context/app")
    agent.wait_for("former_ended")
    slow = f"import time; time.sleep(3600)\n{CODE}"
    put_link(tmp_path / "current", packages.package(flow_of("third", code=slow)) / "context/app")
    until(lambda: len(agent.children()) == 2, lambda: agent.log)
    with pytest.raises(httpx.TransportError):
        agent.predict({"query": "die"})
    assert agent.said() == "first hi"
    assert "ended meanwhile" in agent.wait_for("reload_refused")["reason"]
    until(lambda: len(agent.children()) == 1, lambda: agent.log)


def test_an_agent_that_dies_without_a_former_version_ends_the_process(start: Start) -> None:
    agent = start()
    agent.wait_until_ready()
    (child,) = agent.children()
    os.kill(child, signal.SIGKILL)
    assert agent.process.wait(START_TIMEOUT_S) == 128 + signal.SIGKILL
    assert agent.events[-1]["event"] == "agent_ended"


def test_a_version_goes_away_with_its_supervisor(start: Start) -> None:
    agent = start()
    agent.wait_until_ready()
    (child,) = agent.children()
    agent.process.kill()
    agent.process.wait()
    deadline = time.monotonic() + START_TIMEOUT_S
    while "worker" in cmdline(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(httpx.ConnectError):
        agent.said()


def test_sigterm_in_the_middle_of_a_reload_ends_all_and_finishes_requests(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    slow = flow_of("slow", code=f"import time; time.sleep(3600)\n{CODE}")
    put_link(tmp_path / "current", packages.package(slow) / "context/app")
    deadline = time.monotonic() + START_TIMEOUT_S
    while len(agent.children()) < 2:
        assert time.monotonic() < deadline, agent.log
        time.sleep(0.02)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(agent.said, pause_s=2)
        while not established(agent.port):
            time.sleep(0.01)
        children = agent.children()
        assert agent.stop() == 0
        assert answer.result() == "first hi"
    assert not [child for child in children if "worker" in cmdline(child)]


def established(port: int) -> bool:
    """Whether somebody is connected to a port of this machine."""
    wanted = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(wanted) and row[3] == "01" for row in rows)


def test_a_stream_ends_on_the_version_on_which_it_began(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    url, headers = agent.url("/v1/models/sample:predict"), {"accept": "text/event-stream"}
    body = {"query": "hi", "pause_s": 12}
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as response:
        assert response.status_code == 200
        put_link(tmp_path / "current", packages.package(flow_of("second")) / "context/app")
        agent.wait_for("switched")
        assert agent.said() == "second hi"
        assert len(agent.children()) == 2
        assert 'data: {"text":"first hi"}' in response.read().decode()
    assert agent.wait_for("former_ended")["status"] == 0


def test_a_restart_begins_with_the_newest_version_that_works(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    put_link(tmp_path / "current", packages.package(flow_of("second")) / "context/app")
    agent = start()
    agent.wait_until_ready()
    assert agent.said() == "second hi"
    agent.stop()
    broken = flow_of("broken", code=f"import not_there\n{CODE}")
    put_link(tmp_path / "current", packages.package(broken) / "context/app")
    agent = start()
    agent.wait_until_ready()
    assert agent.said() == "first hi"
    agent.wait_for("reload_refused")


def test_a_folder_that_is_copied_slowly_is_taken_once_it_is_whole(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    version = packages.package(flow_of("second")) / "context/app"
    place = tmp_path / "current"
    (place / "shop").mkdir(parents=True)
    shutil.copy(version / "irc-version.json", place)
    shutil.copy(version / "shop/agent.py", place / "shop")
    assert "incomplete" in agent.wait_for("reload_refused")["reason"]
    for path in (version / "shop").iterdir():
        shutil.copy(path, place / "shop")
    agent.wait_for("switched")
    assert agent.said() == "second hi"


def test_sighup_tries_a_refused_version_again(
    start: Start, packages: Packages, tmp_path: Path
) -> None:
    agent = start()
    agent.wait_until_ready()
    flag = tmp_path / "flag"
    code = f"import os\nif not os.path.exists({str(flag)!r}): raise OSError\n{CODE}"
    put_link(tmp_path / "current", packages.package(flow_of("second", code=code)) / "context/app")
    agent.wait_for("reload_refused")
    flag.touch()
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for("switched")
    assert agent.said() == "second hi"


def test_sessions_in_memory_that_are_left_behind_are_told(
    packages: Packages, tmp_path: Path
) -> None:
    state = '    state: {scope: session, key: "say:{session_id}", backend: memory}\n    transform:'
    remembering = FLOW.replace("    transform:", state).replace("[query]", "[query, session_id]")
    remembering = remembering.replace("{query: hi}", "{query: hi, session_id: s}")
    first, second = (packages.package(flow_of(x, flow=remembering)) for x in ("first", "second"))
    agent = Reloaded(first, str(tmp_path / "current"), tmp_path, LINGER)
    try:
        agent.wait_until_ready()
        put_link(tmp_path / "current", second / "context/app")
        assert "begin anew" in agent.wait_for("memory_state_left")["reason"]
    finally:
        agent.stop()


def test_an_agent_that_was_not_packaged_is_not_reloaded(packages: Packages, tmp_path: Path) -> None:
    first = packages.package(flow_of("first"))
    (first / "context/app/irc-version.json").unlink()
    agent = Reloaded(first, str(tmp_path / "current"), tmp_path)
    assert agent.process.wait(START_TIMEOUT_S) == 1
    (event,) = agent.events
    assert event["event"] == "load_failed"
    assert "has no irc-version.json" in event["reason"]
