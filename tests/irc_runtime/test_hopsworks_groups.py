"""Rows of feature groups of a Hopsworks project, by its real client against stand-ins."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy

from irc_runtime.errors import FeatureStoreError, LoadError, RowNotFoundError
from irc_runtime.features import FeatureRead, connect_features
from irc_runtime.hopsworks.features import HopsworksFeatures
from tests.irc_runtime.hopsworks_project import hopsworks_project
from tests.standins.hopsworks_api import Hopsworks
from tests.standins.hopsworks_data import Group
from tests.standins.hopsworks_query import QueryService, query_service

QUERY = "/featurestores/query"

PAST = FeatureRead("customers_v3", key=("customer_id",), features=("plan", "tickets"), as_of=True)
LATEST = FeatureRead("customers_v3", key=("customer_id",), features=("plan",))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryService]:
    with (
        hopsworks_project(tmp_path_factory.mktemp("authority")) as server,
        query_service(server) as service,
    ):
        yield service


@pytest.fixture
def project(service: QueryService) -> Hopsworks:
    """The server, with no request noted."""
    service.state.heal()
    return service.state


async def ask(*reads: tuple[FeatureRead, Any, str | None]) -> list[Any]:
    """What each read gives, or raises; all at once."""
    features = connect_features(*dict.fromkeys(read for read, _, _ in reads))
    try:
        reading = [features.read(read, {read.key[0]: key}, as_of=at) for read, key, at in reads]
        return list(await asyncio.gather(*reading, return_exceptions=True))
    finally:
        await features.close()


@pytest.mark.parametrize(
    ("as_of", "plan"),
    [
        ("2024-01-15T09:00:00Z", "free"),
        ("2024-06-01T10:30:00.499999Z", "free"),
        ("2024-06-01T10:30:00.5Z", "gold"),
        ("2024-06-01T12:30:00.5+02:00", "gold"),
        ("2030-01-01", "gold"),
    ],
)
def test_a_read_gives_the_latest_row_at_or_before_the_instant(
    project: Hopsworks, as_of: str, plan: str
) -> None:
    [found] = asyncio.run(ask((PAST, "u1", as_of)))
    assert found["plan"] == plan


def test_reads_of_many_keys_and_instants_are_one_query(project: Hopsworks) -> None:
    spring, summer = "2024-03-01T00:00:00Z", "2024-07-01T00:00:00Z"
    found = asyncio.run(
        ask(
            (PAST, "u1", spring),
            (PAST, "u1", summer),
            (PAST, "u2", spring),
            (PAST, "u2", "2023-01-01"),
            (PAST, "u2", "soon"),
            (PAST, "nobody", summer),
        )
    )
    assert found[:3] == [
        {"plan": "free", "tickets": 0},
        {"plan": "gold", "tickets": 2},
        {"plan": "team", "tickets": 7},
    ]
    assert [type(answer) for answer in found[3:]] == [
        RowNotFoundError,
        FeatureStoreError,
        RowNotFoundError,
    ]
    _, query = project.asked(QUERY)  # the first when the agent loads
    columns = [feature["name"] for feature in query["leftFeatures"]]
    assert columns == ["customer_id", "plan", "tickets", "event_time"]


def test_a_view_of_one_group_is_read_at_an_instant_as_its_group(project: Hopsworks) -> None:
    view = FeatureRead("customers_v3", kind="feature_view", key=("customer_id",), as_of=True)
    [found] = asyncio.run(ask((view, "u2", "2024-03-01T00:00:00Z")))
    assert found == {
        "customer_id": "u2",
        "event_time": "2024-01-01T00:00:00Z",
        "plan": "team",
        "tickets": 7,
        "joined": "2022-01-01T00:00:00Z",
    }


def test_a_view_of_several_groups_has_no_past(project: Hopsworks) -> None:
    view = FeatureRead("activity", kind="feature_view", key=("customer_id",), as_of=True)
    with pytest.raises(LoadError, match="joins or filters feature groups, so 'as_of'"):
        HopsworksFeatures([view])


def test_a_group_without_event_time_has_no_past(project: Hopsworks) -> None:
    project.groups.append(
        Group(14, "plain", 1, ("id",), {"id": "string", "x": "bigint"}, event_time=None)
    )
    with pytest.raises(LoadError, match="'plain' version 1 has no event time"):
        HopsworksFeatures([FeatureRead("plain", key=("id",), as_of=True)])


def test_an_exact_name_comes_first(project: Hopsworks) -> None:
    exact = Group(15, "customers_v3", 1, ("customer_id",), project.groups[0].types)
    project.groups.append(exact)
    try:
        [found] = asyncio.run(ask((PAST, "u1", "2024-07-01T00:00:00Z")))
    finally:
        project.groups.remove(exact)
    assert str(found) == "'customers_v3' version 1 has no row for that key at or before that time"


def test_a_service_that_cannot_be_used_is_found_at_load(
    service: QueryService, project: Hopsworks
) -> None:
    service.failing = True
    try:
        with pytest.raises(LoadError, match="Hopsworks: .*Could not read data"):
            HopsworksFeatures([PAST])
    finally:
        service.failing = False


def test_a_service_out_of_order_is_told_without_content(
    service: QueryService, project: Hopsworks
) -> None:
    async def main() -> None:
        features = connect_features(PAST)
        service.failing = True
        with pytest.raises(FeatureStoreError) as caught:
            await features.read(PAST, {"customer_id": "u1"}, as_of="2024-07-01T00:00:00Z")
        service.failing = False
        assert caught.value.reason == "the feature store failed: FeatureStoreException"
        assert caught.value.retryable
        answer = await features.read(PAST, {"customer_id": "u1"}, as_of="2024-07-01T00:00:00Z")
        assert answer["plan"] == "gold"
        await features.close()

    asyncio.run(main())


def test_the_latest_row_of_an_online_group_comes_by_sql(
    project: Hopsworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own path up to the engine of SQLAlchemy: that speaks to SQLite, not to MySQL."""
    engine = sqlalchemy.create_engine(
        "sqlite://", poolclass=sqlalchemy.StaticPool, connect_args={"check_same_thread": False}
    )
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text("CREATE TABLE customers_3 (customer_id, event_time, plan)")
        )
        connection.execute(
            sqlalchemy.text("INSERT INTO customers_3 VALUES ('u1', '2024-06-01 10:30:00', 'gold')")
        )
    made: list[Any] = []

    def make(connector: Any, *_: Any) -> sqlalchemy.Engine:
        made.append(connector)
        return engine

    monkeypatch.setattr("hsfs.core.util_sql._create_mysql_engine", make)

    async def main() -> None:
        features = connect_features(LATEST)
        try:
            reads = (features.read(LATEST, {"customer_id": key}) for key in ("u1", "nobody"))
            found = await asyncio.gather(*reads, return_exceptions=True)
            assert found[0] == {"plan": "gold"}
            assert isinstance(found[1], RowNotFoundError)
            assert len(project.asked(QUERY)) == 2
            with engine.begin() as connection:  # the database fails, and says so
                connection.execute(sqlalchemy.text("ALTER TABLE customers_3 RENAME TO away"))
            with pytest.raises(FeatureStoreError) as caught:
                await features.read(LATEST, {"customer_id": "u1"})
            assert caught.value.retryable
            assert "customers" not in caught.value.reason
        finally:
            await features.close()

    asyncio.run(main())
    assert made[0].connection_string.startswith("jdbc:mysql://")
