"""What the tests of a remote cache and of remote execution start from."""

from dataclasses import dataclass

from tests.remote.repository import Run, SmallRepository
from tests.remote.servers import CacheServer
from tests.remote.worker import Worker


@dataclass(frozen=True)
class Shared:
    """A cache, who filled it, and who took all from it.

    Attributes:
        first: built with an empty cache.
        second: in another folder, with nothing on its own disk.
    """

    cache: CacheServer
    first: SmallRepository
    first_run: Run
    second: SmallRepository
    second_run: Run


@dataclass(frozen=True)
class Farm:
    """A worker, and who has built with it.

    Attributes:
        option: by which Pants there uses the worker.
        local: the package's files as built without the worker, by their paths in it.
        run: with the worker, which had nothing; Pants had what it has built locally.
        remote: the package's files of that run.
        exit_codes: of the processes that the worker ran for it.
    """

    worker: Worker
    repository: SmallRepository
    option: str
    local: dict[str, bytes]
    run: Run
    remote: dict[str, bytes]
    exit_codes: tuple[int, ...]
