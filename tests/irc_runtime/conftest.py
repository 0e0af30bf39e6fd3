"""What several tests of the runtime need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.redis_server import RedisServer, running_redis


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A real Redis of the test's own, which ``REDIS_URL`` names."""
    with running_redis(tmp_path) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        yield server
