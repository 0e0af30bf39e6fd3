"""Writes to the embedded feature store."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.errors import FeatureStoreError
from irc_runtime.features import FeatureRead, FeatureWrite, sqlite
from irc_runtime.features.sqlite import SqliteFeatures
from tests.irc_runtime.feature_files import load, read


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "features.db"
    load(path, "customers")
    return path


def test_records_can_be_written_and_are_point_in_time_too(store: Path) -> None:
    async def main() -> None:
        features = SqliteFeatures(str(store))
        record = {"user_id": "u1", "plan": "team"}
        group = FeatureWrite("customers")
        assert await features.write(group, record, event_time="2024-03-01T00:00:00Z")
        more = [{"user_id": f"w{i}", "event_time": "2024-01-01T00:00:00Z"} for i in range(3)]
        assert await features.write(FeatureWrite("customers_v1"), more)
        customers = FeatureRead("customers", key=("user_id",))
        row = await features.read(customers, {"user_id": "u1"}, as_of="2024-03-02T00:00:00Z")
        assert row == {"user_id": "u1", "plan": "team", "event_time": "2024-03-01T00:00:00Z"}
        plan = FeatureRead("customers", key=("user_id",), features=("plan", "tickets"))
        assert await features.read(plan, {"user_id": "u1"}) == {"plan": "gold", "tickets": 2}
        assert await features.read(customers, {"user_id": "w2"})
        await features.close()

    asyncio.run(main())


def test_writes_of_one_time_are_one_transaction_and_fail_apart(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = sqlite._write

    def noted(path: str, place: tuple[str, int], rows: Sequence[sqlite.Row]) -> None:
        written.append(len(rows))
        write(path, place, rows)

    monkeypatch.setattr(sqlite, "_write", noted)
    group = FeatureWrite("customers")
    whole = FeatureRead("customers", key=("user_id",))

    async def main() -> None:
        features = SqliteFeatures(str(store))
        rows = [{"user_id": f"n{number}", "tickets": number} for number in range(50)]
        rows[3]["ticket"] = 3
        writing = [features.write(group, row, event_time="2024-07-01") for row in rows]
        done = await asyncio.gather(*writing, return_exceptions=True)
        assert isinstance(done.pop(3), FeatureStoreError)
        assert done == [True] * 49
        assert written == [49]
        reading = [features.find(whole, {"user_id": row["user_id"]}) for row in rows]
        found = await asyncio.gather(*reading)
        assert [row["tickets"] for row in found if row] == [n for n in range(50) if n != 3]
        assert found[3] is None
        await features.close()

    asyncio.run(main())


def test_a_write_that_nobody_waits_for_any_more_is_finished_before_the_file_is_closed(
    store: Path,
) -> None:
    async def main() -> None:
        features = SqliteFeatures(str(store))
        with closing(sqlite3.connect(store)) as other:
            other.execute("BEGIN IMMEDIATE")  # so that the write waits
            writing = asyncio.create_task(
                features.write(FeatureWrite("customers"), {"user_id": "n"}, event_time="2024-07-01")
            )
            while not features._writing._calls:
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            writing.cancel()
            await asyncio.wait([writing])
            other.rollback()
        await features.close()

    asyncio.run(main())
    assert read(store, "customers", key={"user_id": "n"})["user_id"] == "n"


def test_a_file_that_another_writer_holds_is_tried_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    group, row = FeatureWrite("customers"), {"user_id": "n"}

    async def main() -> None:
        features = SqliteFeatures(str(store))
        with closing(sqlite3.connect(store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(FeatureStoreError, match="database is locked") as caught:
                await features.write(group, row, event_time="2024-07-01")
            assert caught.value.retryable
            assert await features.read(
                FeatureRead("customers", key=("user_id",)), {"user_id": "u1"}
            )
            other.execute("ROLLBACK")
        assert await features.write(group, row, event_time="2024-07-01")
        await features.close()

    asyncio.run(main())


def test_a_file_that_is_damaged_is_not_tried_again(store: Path) -> None:
    async def main() -> None:
        features = SqliteFeatures(str(store))
        size_bytes = store.stat().st_size
        with store.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size_bytes - 4096))
        with pytest.raises(FeatureStoreError, match="malformed") as caught:
            await features.read(FeatureRead("customers", key=("user_id",)), {"user_id": "u1"})
        assert not caught.value.retryable
        await features.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"user_id": "u1"}, "no event time"),
        ({"event_time": "2024-01-01"}, "key"),
        ({"user_id": "u1", "event_time": "soon"}, "not a time"),
        ({"user_id": "u1", "plann": 1, "event_time": "2024-01-01"}, "did you mean 'plan'"),
        ({"user_id": "u1", "plan": {1}, "event_time": "2024-01-01"}, "not JSON"),
        (["text"], "is a str"),
    ],
)
def test_records_that_do_not_fit_are_refused(store: Path, data: Any, message: str) -> None:
    async def main() -> None:
        features = SqliteFeatures(str(store))
        try:
            await features.write(FeatureWrite("customers"), data)
        finally:
            await features.close()

    with pytest.raises(FeatureStoreError, match=message):
        asyncio.run(main())
