import asyncio
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from irc_runtime.errors import FeatureStoreError, LoadError, RowNotFoundError
from irc_runtime.features import FeatureRead, FeatureWrite, connect_features
from irc_runtime.features.sqlite import AS_OF, SqliteFeatures
from irc_runtime.registry import RegisteredModel, fetch_models
from tests.irc_runtime.feature_files import CUSTOMERS, load, read


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "features.db"
    load(path, "customers")
    return path


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


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (FeatureRead("customer", key=("user_id",)), "no 'customer' version 1 .did you mean"),
        (FeatureRead("customers", version=2, key=("user_id",)), "version 2; it has version 1"),
        (FeatureRead("customers", key=("id",)), r"the key of 'customers' version 1 is \(user_id\)"),
        (FeatureRead("customers", key=("user_id",), features=("plann",)), "did you mean 'plan'"),
        (FeatureWrite("customers_v2"), "'customers' version 2; it has version 1"),
    ],
)
def test_what_a_flow_uses_is_looked_up_at_load(
    store: Path, use: FeatureRead | FeatureWrite, message: str
) -> None:
    with pytest.raises(LoadError, match=message):
        SqliteFeatures(str(store), [use])


def test_reads_of_one_moment_are_one_query(store: Path) -> None:
    async def main() -> None:
        features = SqliteFeatures(str(store))
        queries: list[str] = []
        features._connection.set_trace_callback(queries.append)
        whole = FeatureRead("customers", key=("user_id",))
        plan = FeatureRead("customers_v1", key=("user_id",), features=("plan",), as_of=True)
        reads = [
            features.read(whole, {"user_id": 1001}),
            features.read(plan, {"user_id": "u1"}, as_of="2024-02-01T00:00:00Z"),
            features.read(plan, {"user_id": "u1"}),
            features.find(plan, {"user_id": "nobody"}),
            features.read(plan, {"user_id": "nobody"}),
            features.read(plan, {"user_id": None}),
            features.read(plan, {"user_id": "\ud800"}),
            features.read(plan, {"user_id": "u1"}, as_of="9" * 30),
        ]
        found = await asyncio.gather(*reads, return_exceptions=True)
        assert len(queries) == 1
        assert isinstance(found[0], dict)
        assert found[0]["name"] == "Bob"
        assert found[1:4] == [{"plan": "free"}, {"plan": "gold"}, None]
        assert [type(error) for error in found[4:]] == [
            RowNotFoundError,
            FeatureStoreError,
            FeatureStoreError,
            FeatureStoreError,
        ]
        await features.close()

    asyncio.run(main())


def test_a_query_for_many_keys_goes_down_the_primary_key(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        sql = AS_OF.format(table="rows_1", values="(1, 'a', 2), (3, 'b', 4)")
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert "SEARCH rows_1 USING PRIMARY KEY (key=? AND event_time<?)" in plan
    assert "SCAN rows_1" not in plan


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
        features = SqliteFeatures(str(store))
        key = {"user_id": "u1"}
        customers = FeatureRead("customers", key=("user_id",), features=("plan",))
        assert await features.read(customers, key) == {"plan": "gold"}
        load(store, "customers", CUSTOMERS.replace("gold", "silver"), replace=True)
        assert await features.read(customers, key) == {"plan": "silver"}
        load(store, "customers", CUSTOMERS.replace("plan", "tier"), replace=True)
        with pytest.raises(FeatureStoreError, match="no feature 'plan'; it has .* tier"):
            await features.read(customers, key)
        await features.close()

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


@pytest.mark.parametrize(
    ("variable", "connect"),
    [
        ("IRC_FEATURES", lambda: connect_features(FeatureRead("customers"))),
        ("IRC_MODELS", lambda: fetch_models(RegisteredModel("churn"))),
    ],
)
def test_an_agent_that_does_not_carry_the_hopsworks_client_says_what_to_add(
    monkeypatch: pytest.MonkeyPatch, variable: str, connect: Callable[[], object]
) -> None:
    for module in ("features", "registry"):
        path = f"irc_runtime.hopsworks.{module}"
        monkeypatch.setitem(sys.modules, path, None)  # type: ignore[misc]  # None: not to be found
    monkeypatch.setenv(variable, "hopsworks://")
    with pytest.raises(LoadError) as caught:
        connect()
    assert caught.value.reason.startswith(f"{variable} names Hopsworks, but this agent does not")
    line = 'dependencies=["src/python/irc_runtime/hopsworks"]'
    assert f"add {line} to the agent_flow target in its BUILD file" in caught.value.reason


@pytest.mark.parametrize("content", [b"", b"no database at all, but some text" * 50])
def test_a_file_that_is_no_store_is_found_at_load(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.db"
    path.write_bytes(content)
    with pytest.raises(LoadError, match="not a feature store"):
        SqliteFeatures(str(path))
