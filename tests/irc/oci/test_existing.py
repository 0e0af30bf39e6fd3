"""Bases taken from images that exist: by digest, checked, for one platform."""

import json
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci.base import Platform
from irc.oci.blobs import blob_path, write_blob
from irc.oci.errors import ImageError
from irc.oci.existing import take_base
from irc.oci.image import Image, ImageLayer, write_image
from irc.oci.layer import bytes_file, write_layer
from tests.irc.oci.listing import assert_describes

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
SETTINGS = {
    "Env": ["PATH=/usr/bin", "PYTHON_VERSION=3.11.9"],
    "Entrypoint": ["/bin/other"],
    "Labels": {"vendor": "someone"},
}


def write_example(root: Path, platform: Platform = AMD64) -> Image:
    layer = write_layer(root, [bytes_file("etc/name", str(platform).encode())])
    return write_image(root, platform, [ImageLayer(layer, "base")], SETTINGS, {})


def write_index(root: Path) -> str:
    """A layout of one image for two platforms; returns the index's digest."""
    entries = [
        {**write_example(root, platform).manifest.to_oci(), "platform": platform.to_oci()}
        for platform in (ARM64, AMD64)
    ]
    document = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return write_blob(root, "application/vnd.oci.image.index.v1+json", document).digest


def test_layout_by_digest(tmp_path: Path) -> None:
    digest = write_example(tmp_path / "image").manifest.digest
    base = take_base(f"{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")
    assert (base.kind, base.platform, base.digest) == ("oci", AMD64, digest)
    assert base.python == "3.11.9"
    assert base.config == {"Env": SETTINGS["Env"], "Labels": SETTINGS["Labels"]}
    assert_describes(tmp_path / "out", base.layers[0])


def test_archive_by_digest(tmp_path: Path) -> None:
    digest = write_example(tmp_path / "image").manifest.digest
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.add(tmp_path / "image", arcname=".")
    base = take_base(f"oci-archive:{tmp_path / 'image.tar'}@{digest}", AMD64, tmp_path / "out")
    assert base == take_base(f"oci:{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")


def test_index_gives_the_image_of_the_platform(tmp_path: Path) -> None:
    digest = write_index(tmp_path / "image")
    arm64 = take_base(f"{tmp_path / 'image'}@{digest}", ARM64, tmp_path / "out")
    amd64 = take_base(f"{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")
    assert (arm64.platform, amd64.platform) == (ARM64, AMD64)
    assert arm64.layers != amd64.layers
    with pytest.raises(ImageError, match="only for linux/amd64, linux/arm64"):
        take_base(f"{tmp_path / 'image'}@{digest}", Platform("linux", "riscv64"), tmp_path / "out")


def test_image_of_another_platform_is_refused_by_name(tmp_path: Path) -> None:
    digest = write_example(tmp_path / "image", ARM64).manifest.digest
    with pytest.raises(ImageError, match="for linux/arm64, the agent for linux/amd64"):
        take_base(f"{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")


def test_image_without_a_digest_is_refused(tmp_path: Path) -> None:
    arguments = ["base", "--from", "python:3.11-slim", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert "must be given by digest" in result.output


def test_damaged_layer_is_noticed_and_left_out(tmp_path: Path) -> None:
    written = write_example(tmp_path / "image")
    layer = written.layers[0].layer
    blob_path(tmp_path / "image", layer.digest).write_bytes(b"something else")
    with pytest.raises(ImageError, match="is damaged"):
        take_base(f"{tmp_path / 'image'}@{written.manifest.digest}", AMD64, tmp_path / "out")
    assert not blob_path(tmp_path / "out", layer.digest).exists()


def test_manifest_of_another_digest_is_noticed(tmp_path: Path) -> None:
    written = write_example(tmp_path / "image")
    other = f"sha256:{'0' * 64}"
    with pytest.raises(ImageError, match="has no blob sha256:000"):
        take_base(f"{tmp_path / 'image'}@{other}", AMD64, tmp_path / "out")
    shutil.copy(
        blob_path(tmp_path / "image", written.manifest.digest), blob_path(tmp_path / "image", other)
    )
    with pytest.raises(ImageError, match="is damaged"):
        take_base(f"{tmp_path / 'image'}@{other}", AMD64, tmp_path / "out")


def test_folder_that_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an OCI image layout"):
        take_base(f"{tmp_path}@sha256:{'0' * 64}", AMD64, tmp_path / "out")


@contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Debian's registry on the loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log
        )
    try:
        host, _, port = address.partition(":")
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def test_registry_by_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [name for name in ("docker-registry", "skopeo") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    digest = write_example(tmp_path / "image").manifest.digest
    with running_registry(tmp_path) as address:
        settings = tmp_path / ".config" / "containers" / "registries.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        reference = f"{address}/example"
        subprocess.run(
            ["skopeo", "copy", "--quiet", f"oci:{tmp_path / 'image'}", f"docker://{reference}:1"],
            check=True,
        )
        base = take_base(f"{reference}@{digest}", AMD64, tmp_path / "out")
        with pytest.raises(ImageError, match="skopeo could not fetch"):
            take_base(f"{reference}@sha256:{'0' * 64}", AMD64, tmp_path / "out")
    assert base == take_base(f"{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")
