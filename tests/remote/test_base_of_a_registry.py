"""A base image of a registry, which one user may fetch and all who share a cache may have."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from irc.oci.base import Platform
from irc.oci.image import ImageLayer
from irc.oci.layer import bytes_file, write_layer
from irc.publishing.registry import Registry
from tests.irc.oci.single_image import write_single_image
from tests.remote.repository import SmallRepository
from tests.remote.shared import Shared
from tests.standins.registry_server import RegistryServer, running_registry

FOLDER = "flows/on_a_registry"
PASSWORD = "proxy-password-of-one-user"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}


def pushed(registry: RegistryServer, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """An image with something that is called like an interpreter; its name in the registry."""
    layer = write_layer(folder, [bytes_file("usr/bin/python3.11", b"\x7fELF")])
    platform = Platform("linux", MACHINE[os.uname().machine])
    digest = write_single_image(
        folder, platform, [ImageLayer(layer, "base")], {}, {}
    ).manifest.digest
    reference = f"{registry.address}/python@{digest}"
    with patch.context() as environment:
        for name, value in registry.environment(folder / "login").items():
            environment.setenv(name, value)
        Registry().push(folder, digest, reference)
    return reference


def log_in(
    repository: SmallRepository, registry: RegistryServer, patch: pytest.MonkeyPatch
) -> None:
    """Give the repository's user, and nobody else, a password and a proxy for other hosts."""
    home = Path(repository.environment["HOME"])
    files = {
        home / ".docker/config.json": json.dumps(
            {"auths": {registry.address: {"auth": registry.authorisation}}}
        ),
        home
        / f".config/containers/certs.d/{registry.address}/ca.crt": registry.certificate.read_text(),
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True)
        path.write_text(text)
    proxy = f"http://user:{PASSWORD}@proxy.example.com:3128"
    patch.setitem(repository.environment, "HTTPS_PROXY", proxy)
    patch.setitem(repository.environment, "NO_PROXY", "127.0.0.1")


@contextmanager
def flow_on(reference: str, source: Path, repository: SmallRepository) -> Iterator[None]:
    """A copy of a flow, on another base."""
    folder = repository.root / FOLDER
    shutil.copytree(source, folder)
    (folder / "BUILD").write_text(
        f'python_sources()\nagent_flow(name="agent", base_image="{reference}")\n'
    )
    try:
        yield
    finally:
        shutil.rmtree(folder)


def packaged(repository: SmallRepository) -> dict[str, bytes]:
    """All files of the copy's package, by their paths in it."""
    folder = repository.root / "dist" / FOLDER.replace("/", ".") / "agent"
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_whoever_shares_the_cache_needs_no_login_and_no_registry(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shared.second.root / "flows/greet"
    command = (*shared.cache.options, "package", f"{FOLDER}:agent")
    with running_registry(tmp_path) as registry:
        reference = pushed(registry, tmp_path / "image", monkeypatch)
        fetching = f"Fetch the base image {reference}"
        log_in(shared.first, registry, monkeypatch)
        with flow_on(reference, source, shared.first):
            assert fetching in shared.first.run(*command).must_pass().log
    with flow_on(reference, source, shared.second):
        assert fetching not in shared.second.run(*command).must_pass().log
    first, second = packaged(shared.first), packaged(shared.second)
    assert first == second
    assert json.loads(first["image.json"])["base"]["digest"] == reference.partition("@")[2]
    kept = [blob for blob in shared.cache.blobs.rglob("*") if blob.is_file()]
    assert [blob for blob in kept if PASSWORD.encode() in blob.read_bytes()] == []
