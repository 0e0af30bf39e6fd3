"""What the tests of a remote cache start from."""

from dataclasses import dataclass

from tests.remote.repository import Run, SmallRepository
from tests.remote.servers import CacheServer


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
