import asyncio
from pathlib import Path
from typing import Any

import pytest

from irc_runtime.errors import FeatureStoreError, LoadError, RowNotFoundError
from irc_runtime.features import FeatureStore, connect_features
from irc_runtime.features.load import load_features
from irc_runtime.features.sqlite import SqliteFeatures

CUSTOMERS = """\
user_id,event_time,name,plan,tickets
u1,2024-01-15T09:00:00Z,Ada,free,0
u1,2024-06-01T12:30:00+02:00,Ada,gold,2
1001,2024-01-01,Bob,free,
"""


def load(store: Path, name: str, text: str = CUSTOMERS, **options: Any) -> None:
    source = store.with_name("source.csv")
    source.write_text(text)
    settings = {"version": 1, "key": ("user_id",), "event_time": "event_time", **options}
    load_features(source, store, name=name, **settings)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "features.db"
    load(path, "customers")
    return path


def read(store: Path, name: str, **options: Any) -> Any:
    async def main() -> Any:
        features = SqliteFeatures(str(store))
        try:
            return await features.read(name, **{"key": {"user_id": "u1"}, **options})
        finally:
            await features.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("as_of", "plan"),
    [
        ("2024-01-15T09:00:00Z", "free"),
        ("2024-06-01T10:29:59.999999Z", "free"),
        ("2024-06-01T10:30:00Z", "gold"),
        ("2024-06-01T12:30:00+02:00", "gold"),
        (None, "gold"),
    ],
)
def test_a_read_gives_the_latest_row_at_or_before_the_instant(
    store: Path, as_of: str | None, plan: str
) -> None:
    assert read(store, "customers", as_of=as_of)["plan"] == plan


def test_no_row_is_an_error_or_none(store: Path) -> None:
    early = "2023-12-31T23:59:59Z"
    with pytest.raises(RowNotFoundError) as caught:
        read(store, "customers", as_of=early)
    assert (
        caught.value.reason
        == "'customers' version 1 has no row for that key at or before that time"
    )
    assert read(store, "customers", as_of=early, optional=True) is None
    with pytest.raises(RowNotFoundError):
        read(store, "customers", key={"user_id": "secret"})


def test_features_are_selected_in_order(store: Path) -> None:
    assert read(store, "customers", features=("tickets", "name")) == {"tickets": 2, "name": "Ada"}
    everything = read(store, "customers")
    assert list(everything) == ["user_id", "event_time", "name", "plan", "tickets"]
    assert everything["event_time"] == "2024-06-01T10:30:00Z"


def test_unknown_features_are_named_with_what_there_is(store: Path) -> None:
    with pytest.raises(FeatureStoreError) as caught:
        read(store, "customers", features=("plann", "name", "zzz"))
    message = caught.value.reason
    assert "'plann' (did you mean 'plan'?), 'zzz'" in message
    assert "user_id, event_time, name, plan, tickets" in message
    with pytest.raises(FeatureStoreError):
        read(store, "customers", key={"user_id": "nobody"}, features=("plann",), optional=True)


def test_a_version_in_the_name_is_a_version(store: Path) -> None:
    assert read(store, "customers_v1")["name"] == "Ada"
    with pytest.raises(FeatureStoreError, match="'customers' version 3; it has version 1"):
        read(store, "customers_v3")


def test_an_exact_name_comes_first(store: Path) -> None:
    load(store, "customers_v1", CUSTOMERS.replace("Ada", "Exact"))
    assert read(store, "customers_v1")["name"] == "Exact"
    assert read(store, "customers", version=1)["name"] == "Ada"
    with pytest.raises(FeatureStoreError, match="'customers_v1' version 2"):
        read(store, "customers_v1", version=2)


def test_an_unknown_group_is_named_with_a_hint(store: Path) -> None:
    with pytest.raises(FeatureStoreError, match="did you mean 'customers'"):
        read(store, "customer")


@pytest.mark.parametrize("user_id", ["1001", 1001, 1001.0])
def test_numbers_and_texts_are_the_same_key(store: Path, user_id: object) -> None:
    row = read(store, "customers", key={"user_id": user_id})
    assert (row["name"], row["tickets"]) == ("Bob", None)


@pytest.mark.parametrize(
    "key", [{"user": "u1"}, {}, {"user_id": "u1", "more": 1}, {"user_id": None}, {"user_id": ""}]
)
def test_keys_that_do_not_fit_are_refused(store: Path, key: dict[str, object]) -> None:
    with pytest.raises(FeatureStoreError):
        read(store, "customers", key=key)


def test_a_key_may_have_several_columns(tmp_path: Path) -> None:
    store = tmp_path / "f.db"
    text = "shop,user_id,event_time,x\na,b c,2024-01-01,1\na b,c,2024-01-01,2\n"
    load(store, "visits", text, key=("shop", "user_id"))
    assert read(store, "visits", key={"user_id": "c", "shop": "a b"})["x"] == 2
    assert read(store, "visits", key={"user_id": "b c", "shop": "a"})["x"] == 1


def test_what_is_loaded_while_an_agent_runs_is_seen(store: Path) -> None:
    async def main() -> None:
        features: FeatureStore = SqliteFeatures(str(store))
        key = {"user_id": "u1"}
        assert (await features.read("customers", key=key))["plan"] == "gold"
        load(store, "customers", CUSTOMERS.replace("gold", "silver"), replace=True)
        assert (await features.read("customers", key=key))["plan"] == "silver"
        load(store, "others")
        assert (await features.read("others", key=key))["plan"] == "gold"
        await features.close()

    asyncio.run(main())


def test_records_can_be_written_and_are_point_in_time_too(store: Path) -> None:
    async def main() -> None:
        features = SqliteFeatures(str(store))
        record = {"user_id": "u1", "plan": "team"}
        assert await features.write("customers", data=record, event_time="2024-03-01T00:00:00Z")
        more = [{"user_id": f"w{i}", "event_time": "2024-01-01T00:00:00Z"} for i in range(3)]
        assert await features.write("customers_v1", data=more)
        key = {"user_id": "u1"}
        row = await features.read("customers", key=key, as_of="2024-03-02T00:00:00Z")
        assert row == {"user_id": "u1", "plan": "team", "event_time": "2024-03-01T00:00:00Z"}
        row = await features.read("customers", key=key, features=("plan", "tickets"))
        assert row == {"plan": "gold", "tickets": 2}
        assert await features.read("customers", key={"user_id": "w2"})
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
            await features.write("customers", data=data)
        finally:
            await features.close()

    with pytest.raises(FeatureStoreError, match=message):
        asyncio.run(main())


def test_the_environment_names_the_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRC_FEATURES", f"sqlite:///{store}")
    asyncio.run(connect_features().close())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "IRC_FEATURES is not set"),
        ("tape://x", "unknown store 'tape:'"),
        ("sqlite:////nowhere/f.db", "no feature store at /nowhere/f.db"),
    ],
)
def test_a_store_that_is_not_there_is_found_at_load(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setenv("IRC_FEATURES", address)
    with pytest.raises(LoadError, match=message):
        connect_features()


@pytest.mark.parametrize("content", [b"", b"no database at all, but some text" * 50])
def test_a_file_that_is_no_store_is_found_at_load(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.db"
    path.write_bytes(content)
    with pytest.raises(LoadError, match="not a feature store"):
        SqliteFeatures(str(path))
