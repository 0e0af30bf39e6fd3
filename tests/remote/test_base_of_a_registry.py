"""A base image of a registry, which one user may fetch and all who share a cache may have."""

import json
import os
from pathlib import Path

import pytest

from irc.oci.base import Platform
from irc.oci.image import ImageLayer
from irc.oci.layer import bytes_file, write_layer
from irc.publishing.registry import Registry
from tests.irc.oci.single_image import write_single_image
from tests.remote.repository import TARGET, SmallRepository
from tests.remote.shared import Shared
from tests.standins.registry_server import RegistryServer, running_registry

PASSWORD = "proxy-password-of-one-user"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}


def pushed(registry: RegistryServer, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """An image with something that is called like an interpreter; its name in the registry."""
    layer = write_layer(folder, [bytes_file("usr/bin/python3.11", b"\x7fELF")])
    platform = Platform("linux", MACHINE[os.uname().machine])
    digest = write_single_image(folder, platform, [ImageLayer(layer, "base")], {}, {}).manifest.digest
    reference = f"{registry.address}/python@{digest}"
    with patch.context() as environment:
        for name, value in registry.environment(folder / "login").items():
            environment.setenv(name, value)
        Registry().push(folder, digest, reference)
    return reference


def log_in(repository: SmallRepository, registry: RegistryServer) -> None:
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
    repository.environment["HTTPS_PROXY"] = f"http://user:{PASSWORD}@proxy.example.com:3128"
    repository.environment["NO_PROXY"] = "127.0.0.1"


def test_whoever_shares_the_cache_needs_no_login_and_no_registry(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        SmallRepository(tmp_path / "first") as first,
        SmallRepository(tmp_path / "second") as second,
    ):
        with running_registry(tmp_path) as registry:
            reference = pushed(registry, tmp_path / "image", monkeypatch)
            log_in(first, registry)
            for repository in (first, second):
                build = repository.root / "flows/greet/BUILD"
                build.write_text(
                    f'python_sources()\nagent_flow(name="agent", base_image="{reference}")\n'
                )
            fetching = f"Fetch the base image {reference}"
            assert fetching in first.run(*shared.cache.options, "package", TARGET).must_pass().log
        assert fetching not in second.run(*shared.cache.options, "package", TARGET).must_pass().log
        assert first.packaged() == second.packaged()
        described = json.loads(first.packaged()["image.json"])
    assert described["base"]["digest"] == reference.partition("@")[2]
    kept = [blob for blob in shared.cache.blobs.rglob("*") if blob.is_file()]
    assert [blob for blob in kept if PASSWORD.encode() in blob.read_bytes()] == []
