"""A real registry with TLS and a password, and a package to publish to it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from irc.package.build import package
from tests.irc.package.agent_files import write_inputs, write_two_platforms
from tests.standins.registry_server import RegistryServer, running_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """What ``package`` leaves of an agent, with the blobs that it shares with others."""
    package(write_inputs(tmp_path), tmp_path / "out")
    shutil.copytree(tmp_path / "shared/blobs", tmp_path / "out/image/blobs", dirs_exist_ok=True)
    return tmp_path / "out"


@pytest.fixture
def packaged_for_two(tmp_path: Path) -> Path:
    """As ``packaged``, an index of two platforms."""
    package(write_two_platforms(tmp_path), tmp_path / "out")
    for name in ("shared", "foreign"):
        shutil.copytree(tmp_path / name / "blobs", tmp_path / "out/image/blobs", dirs_exist_ok=True)
    return tmp_path / "out"


@pytest.fixture
def repository(registry: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository that no other test uses, with the credentials for it."""
    for name, value in registry.environment(tmp_path / "login").items():
        monkeypatch.setenv(name, value)
    return f"{registry.address}/{tmp_path.name.replace('_', '-').lower()}/demo"
