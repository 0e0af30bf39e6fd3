"""Two checkouts that have been built through one remote cache."""

import shutil
from collections.abc import Iterator

import pytest

from tests.remote.repository import TARGET, SmallRepository
from tests.remote.servers import CacheServer
from tests.remote.shared import Farm, Shared
from tests.remote.worker import Worker
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


@pytest.fixture(scope="session")
def farm(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """The first checkout again, with an edit that it has built here and then on a worker."""
    repository = shared.first
    repository.greet("Farm")
    repository.run("package", TARGET).must_pass()
    local = repository.packaged()
    shutil.rmtree(repository.root / "dist")
    with Worker(tmp_path_factory.mktemp("worker"), free_port(), shared.cache).running() as worker:
        option = worker.configure(repository.root)
        run = repository.run(option, "package", "test", TARGET).must_pass()
        remote, exit_codes = repository.packaged(), tuple(worker.exit_codes())
        yield Farm(worker, repository, option, local, run, remote, exit_codes)
