"""What reads of features and turns of sessions take, against the same asked of the clients directly.

    ./pants run benchmarks/stores.py

Needs redis-server. Hopsworks is the stand-in of the tests, over TLS on the loopback: what a call costs
besides the way to a real server, which comes on top of each call.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

from redis.asyncio import Redis
from report import Row, Target, row, table

from irc_runtime.context import Context
from irc_runtime.features import FeatureRead
from irc_runtime.features.load import load_features
from irc_runtime.features.sqlite import SqliteFeatures
from irc_runtime.hopsworks.features import HopsworksFeatures
from irc_runtime.state import StateSpec, StateStore
from irc_runtime.state.redis import RedisBackend
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.redis_server import running_redis

ROUNDS = 15

#: Requests that read at the same time.
AT_ONCE = 100

ROWS = 100_000

PER_SECOND = {"µs": 1e6, "ms": 1e3}

PLAIN = """
SELECT record FROM rows_1 WHERE key = ? AND event_time <= ? ORDER BY event_time DESC LIMIT 1
"""

Side = Callable[[], Awaitable[Any]]


async def compared(
    name: str,
    side: Side,
    peer: Side,
    peer_name: str,
    *,
    times: int = 1,
    at_most: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    unit: str = "ms",
) -> list[Row]:
    """Two lines: what ours takes with its ratio to the peer, and what the peer takes, in turn."""
    target = None if at_most is None else Target(at_most, of_ratio=True)
    taken: tuple[list[float], list[float]] = [], []
    for number in range(ROUNDS + 1):
        for call, runs in zip((side, peer), taken, strict=True):
            started = clock()
            for _ in range(times):
                await call()
            if number > 0:
                runs.append((clock() - started) / times * PER_SECOND[unit])
    ours, theirs = taken
    return [
        row(f"{name}: agent", ours, unit, peer=theirs, target=target),
        row(f"{name}: {peer_name}", theirs, unit),
    ]


async def sqlite_rows(folder: Path) -> list[Row]:
    """Reads of the embedded store, in a hundred thousand rows."""
    source, store = folder / "scores.csv", folder / "features.db"
    lines = [f"u{number % 1000},{1_600_000_000 + number},{number}" for number in range(ROWS)]
    source.write_text("\n".join(["user_id,event_time,score", *lines]))
    load_features(
        source, store, name="scores", version=1, key=("user_id",), event_time="event_time"
    )
    scores = FeatureRead("scores", key=("user_id",), as_of=True)
    features = SqliteFeatures(str(store), [scores])
    instant = "2020-09-14T00:00:00Z"
    cpu: dict[str, Any] = {"clock": time.process_time, "unit": "µs"}
    keys = [f"u{number}" for number in range(AT_ONCE)]

    async def one() -> Any:
        return await features.read(scores, {"user_id": "u7"}, as_of=instant)

    async def many() -> Any:
        reads = (features.read(scores, {"user_id": key}, as_of=instant) for key in keys)
        return await asyncio.gather(*reads)

    with closing(sqlite3.connect(store)) as connection:

        def statement(key: str) -> Any:
            found = connection.execute(PLAIN, (key, 1_600_041_600_000_000)).fetchone()
            return json.loads(found[0])

        async def plain_one() -> Any:
            return statement("u7")

        async def plain_many() -> Any:
            return [statement(key) for key in keys]

        assert await one() == await plain_one()
        assert await many() == await plain_many()
        rows = [
            *await compared(
                "CPU of a SQLite read alone", one, plain_one, "sqlite3", times=500, **cpu
            ),
            *await compared(
                f"CPU of {AT_ONCE} SQLite reads at once", many, plain_many, "sqlite3, one by one",
                times=20, **cpu,
            ),
        ]  # fmt: skip
    await features.close()
    return rows


async def hopsworks_rows() -> list[Row]:
    """Reads of a feature view; the peer calls the client on the same threads, key by key."""
    plan = FeatureRead(
        "customers", kind="feature_view", version=3, key=("customer_id",), features=("plan",)
    )
    features = HopsworksFeatures([plan])
    source, threads = features._sources[plan], features._session.reads
    question = source.question({"customer_id": "u1"}, None)

    async def one() -> Any:
        return await features.read(plan, {"customer_id": "u1"})

    async def many() -> Any:
        return await asyncio.gather(*(one() for _ in range(AT_ONCE)))

    async def call() -> Any:
        return await threads.run(lambda: source.ask([question]))

    async def call_each() -> Any:
        return await asyncio.gather(*(call() for _ in range(AT_ONCE)))

    rows = [
        *await compared(
            "Hopsworks, a read alone", one, call, "its client", at_most=1.1, times=20
        ),
        *await compared(
            f"Hopsworks, {AT_ONCE} reads at once", many, call_each, "a call each",
            at_most=0.2,
        ),
    ]  # fmt: skip
    await features.close()
    return rows


async def redis_rows(url: str) -> list[Row]:
    """A turn of a session that nobody else has; the peer takes the client's own lock."""
    store = StateStore(redis=RedisBackend("benchmark"))
    spec = StateSpec(scope="session", key="{session_id}", ttl_s=60.0, backend="redis")
    request: Mapping[str, Any] = {"session_id": "s1"}

    async def turn() -> None:
        async with store.open(spec, {}, Context(request)) as state:
            await state.set("turn", await state.get("turn", 0) + 1)

    async with Redis.from_url(url, decode_responses=True) as client:

        async def locked() -> None:
            async with client.lock("lock:s1", timeout=10):
                number = json.loads(await client.hget("values:s1", "turn") or "0")
                async with client.pipeline() as pipeline:
                    pipeline.hset("values:s1", "turn", json.dumps(number + 1))
                    pipeline.pexpire("values:s1", 60_000)
                    await pipeline.execute()

        rows = await compared(
            "Redis, a turn",
            turn,
            locked,
            "redis-py, with its lock",
            at_most=1.1,
            times=100,
        )
    await store.close()
    return rows


def main() -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory(prefix="irc-") as temporary:
        folder = Path(temporary)
        rows = asyncio.run(sqlite_rows(folder))
        with hopsworks_project(folder):
            rows += asyncio.run(hopsworks_rows())
        with running_redis(folder) as redis, patch.dict("os.environ", REDIS_URL=redis.url):
            rows += asyncio.run(redis_rows(redis.url))
    print(table(rows))


if __name__ == "__main__":
    main()
