"""Two checkouts that have been built through one remote cache."""

from collections.abc import Iterator

import pytest

from tests.remote.repository import TARGET, SmallRepository
from tests.remote.servers import CacheServer
from tests.remote.shared import Shared
from tests.standins.redis_server import free_port


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    goals = ("package", "test", TARGET)
    places = (
        tmp_path_factory.mktemp("first"),
        tmp_path_factory.mktemp("second") / "much" / "longer",
    )
    with (
        CacheServer(tmp_path_factory.mktemp("cache"), free_port()).running() as cache,
        SmallRepository(places[0]) as first,
        SmallRepository(places[1]) as second,
    ):
        first_run = first.run(*cache.options, *goals).must_pass()
        second_run = second.run(*cache.options, *goals).must_pass()
        yield Shared(cache, first, first_run, second, second_run)
