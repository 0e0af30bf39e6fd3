"""A flow with state in Redis, compiled, and run by two processes at once."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.errors import LoadError
from tests.irc.compiling import agent_of, generated
from tests.standins.redis_server import running_redis

FLOW = """\
version: "1.0"
metadata: {name: counter}
context: {requires: [session_id]}
nodes:
  count:
    outputs: [{name: turns, type: array}]
    transform:
      mode: code
      spec: |
        import asyncio

        async def transform(inputs, context, state):
            turns = await state.get("turns", [])
            await asyncio.sleep(0)
            turns.append(context.trace_id)
            await state.set("turns", turns)
            return {"turns": turns}
    state: {scope: session, key: "counter:{session_id}", ttl_seconds: 3600, backend: redis}
edges:
  - {from: count.turns, to: _output}
"""

#: Waits for its input to begin, so that all processes do at once.
PROCESS = """
import asyncio, json, sys
from agent import CounterAgent

async def main():
    agent = CounterAgent()
    agent.load()
    print("loaded", flush=True)
    sys.stdin.readline()
    names = [f"{sys.argv[1]}-{number}" for number in range(int(sys.argv[2]))]
    requests = [{"session_id": "s1", "trace_id": name} for name in names]
    answers = await asyncio.gather(*(agent.predict(request) for request in requests))
    await agent.close()
    print(json.dumps(answers))

asyncio.run(main())
"""
TURNS_EACH = 100


def test_two_processes_lose_none_of_two_hundred_turns_of_a_session(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(generated(FLOW), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *(str(Path(entry).resolve()) for entry in sys.path)])
    with running_redis(tmp_path) as server:
        environment = {**os.environ, "PYTHONPATH": path, "REDIS_URL": server.url}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, name, str(TURNS_EACH)],
                cwd=tmp_path, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for name in ("a", "b")
        ]  # fmt: skip
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "loaded\n"
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            answers = [json.loads(process.communicate()[0]) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        with server.client() as client:
            texts: Any = client.hgetall("irc:{counter/counter:s1}:values")
    turns = json.loads(texts["turns"])
    assert len(turns) == 2 * TURNS_EACH
    assert set(turns) == {f"{name}-{i}" for name in ("a", "b") for i in range(TURNS_EACH)}
    # Each turn saw all that were before it.
    assert sorted(map(len, answers[0] + answers[1])) == list(range(1, 2 * TURNS_EACH + 1))
    assert all(answer == turns[: len(answer)] for answer in answers[0] + answers[1])


def test_a_flow_remembers_in_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        first, second = agent_of(FLOW)(), agent_of(FLOW)()
        first.load()
        second.load()
        await first.predict({"session_id": "s1", "trace_id": "1"})
        request = {"session_id": "s1", "trace_id": "2"}
        assert await second.predict(request) == ["1", "2"]
        await first.close()
        await second.close()

    with running_redis(tmp_path) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        asyncio.run(main())


def test_an_agent_without_redis_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    agent = agent_of(FLOW)()
    with pytest.raises(LoadError, match="REDIS_URL"):
        agent.load()
    assert not agent.ready


@pytest.mark.parametrize(
    "state", ['scope: session, key: "{session_id}"', "scope: request, backend: redis"]
)
def test_only_a_flow_that_keeps_state_in_redis_imports_it(state: str) -> None:
    start = FLOW.index("    state: {")
    end = FLOW.index("\n", start)
    assert "redis" in generated(FLOW)
    assert "redis" not in generated(f"{FLOW[:start]}    state: {{{state}}}{FLOW[end:]}")
