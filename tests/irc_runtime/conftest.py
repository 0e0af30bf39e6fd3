"""What several tests of the runtime need."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.irc_runtime.providers import PROVIDERS, VARIABLES, Asked
from tests.standins.redis_server import RedisServer, running_redis


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A real Redis of the test's own, which ``REDIS_URL`` names."""
    with running_redis(tmp_path) as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        yield server


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def asked(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with request.param.server() as server:
        yield Asked(request.param, server)
