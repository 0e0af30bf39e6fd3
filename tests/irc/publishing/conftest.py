"""A real registry with TLS and a password, and a package to publish to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from irc.package.build import package
from tests.irc.package.agent_files import write_inputs
from tests.standins.registry_server import RegistryServer, running_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """What ``package`` leaves of an agent, with the blobs that it shares with others."""
    inputs = write_inputs(tmp_path)
    package(inputs, tmp_path / "out")
    for blob in (tmp_path / "shared/blobs/sha256").iterdir():
        target = tmp_path / "out/image/blobs/sha256" / blob.name
        if not target.exists():
            target.write_bytes(blob.read_bytes())
    return tmp_path / "out"


@pytest.fixture
def repository(registry: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository that no other test uses, with the credentials for it."""
    for name, value in registry.environment(tmp_path / "login").items():
        monkeypatch.setenv(name, value)
    return f"{registry.address}/{tmp_path.name.replace('_', '-').lower()}/demo"
