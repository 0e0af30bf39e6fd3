"""Bases of a real registry, which asks for a password: skopeo's files of credentials and helpers."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from irc.oci.blobs import MEDIA_TYPE_INDEX, blob_path
from irc.oci.errors import ImageError
from irc.oci.existing import fetch_image, take_base
from tests.irc.oci.test_existing import AMD64, ARM64, write_example, write_index

# user "puller", password "pull-password"
HTPASSWD = "puller:$2b$05$abcdefghijklmnopqrstuuzN6p/Ww7Qzo8QXBQ7XjnndrNLHWr8.6\n"
HELPER = """#!/bin/sh
echo '{"ServerURL": "", "Username": "puller", "Secret": "pull-password"}'
"""


@contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Debian's registry on the loopback, which asks for a password; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "htpasswd").write_text(HTPASSWD)
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'registry'}}}}}\n"
        f"http: {{addr: '{address}'}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}\n"
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


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry that skopeo takes without TLS; nobody is logged in."""
    missing = [name for name in ("docker-registry", "skopeo") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    home = tmp_path / "home"
    with running_registry(tmp_path) as address:
        settings = home / ".config" / "containers" / "registries.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
        for name in ("XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"):
            monkeypatch.delenv(name, raising=False)
        yield address


def pushed(registry: str, folder: Path) -> str:
    """The digest of an image that is in the registry as ``example:1``."""
    digest = write_example(folder / "image").manifest.digest
    target = f"docker://{registry}/example:1"
    command = ["skopeo", "copy", "--quiet", "--dest-creds=puller:pull-password"]
    subprocess.run([*command, f"oci:{folder / 'image'}", target], check=True)
    return digest


def log_in(registry: str) -> None:
    subprocess.run(
        ["skopeo", "login", "--username=puller", "--password-stdin", registry],
        input=b"pull-password",
        check=True,
    )


def log_out(registry: str) -> None:
    subprocess.run(["skopeo", "logout", registry], check=True)


def test_image_of_an_index_by_the_digest_that_skopeo_tells(registry: str, tmp_path: Path) -> None:
    """``skopeo inspect`` of a tag, as the documentation has it, tells the digest of the index."""
    layout = tmp_path / "image"
    digest = write_index(layout)
    entry = {
        "mediaType": MEDIA_TYPE_INDEX,
        "digest": digest,
        "size": blob_path(layout, digest).stat().st_size,
    }
    index = {"schemaVersion": 2, "manifests": [entry]}
    (layout / "index.json").write_text(json.dumps(index))
    reference = f"{registry}/example:1"
    command = ["skopeo", "copy", "--all", "--quiet", f"oci:{layout}", f"docker://{reference}"]
    subprocess.run([*command, "--dest-creds=puller:pull-password"], check=True)
    log_in(registry)
    command = ["skopeo", "inspect", "--format", "{{.Digest}}", f"docker://{reference}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert told == digest
    for platform in (AMD64, ARM64):
        base = take_base(f"{reference}@{told}", platform, tmp_path / "out")
        assert base == take_base(f"oci:{layout}@{digest}", platform, tmp_path / "out")


def test_registry_without_credentials_says_how_to_give_them(registry: str, tmp_path: Path) -> None:
    digest = pushed(registry, tmp_path)
    with pytest.raises(
        ImageError, match="skopeo could not fetch .*\nhint: .*skopeo login.*REGISTRY_AUTH_FILE"
    ):
        take_base(f"{registry}/example@{digest}", AMD64, tmp_path / "out")


def test_registry_with_a_file_of_credentials(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = pushed(registry, tmp_path)
    secret = base64.b64encode(b"puller:pull-password").decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {registry: {"auth": secret}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    base = take_base(f"{registry}/example@{digest}", AMD64, tmp_path / "out")
    assert base == take_base(f"{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")
    tagged = take_base(f"docker://{registry}/example:1@{digest}", AMD64, tmp_path / "out")
    assert tagged == base
    with pytest.raises(ImageError, match="skopeo could not fetch"):
        take_base(f"{registry}/example@sha256:{'0' * 64}", AMD64, tmp_path / "out")


def test_fetched_image_is_taken_without_the_registry(registry: str, tmp_path: Path) -> None:
    """As another process does that has no credentials, from a folder that holds others as well."""
    digest = pushed(registry, tmp_path)
    reference, kept = f"{registry}/example@{digest}", tmp_path / "kept"
    with pytest.raises(ImageError, match=f"kept: has no blob {digest}"):
        take_base(reference, AMD64, tmp_path / "out", fetched=kept)
    log_in(registry)
    fetch_image(reference, AMD64, kept)
    log_out(registry)
    taken = take_base(reference, AMD64, tmp_path / "out", fetched=kept)
    assert taken == take_base(f"{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")
    fetch_image(reference, AMD64, kept)  # nothing is left to ask for


def test_fetched_image_that_is_damaged_is_fetched_anew(registry: str, tmp_path: Path) -> None:
    digest = pushed(registry, tmp_path)
    reference, kept = f"{registry}/example@{digest}", tmp_path / "kept"
    log_in(registry)
    fetch_image(reference, AMD64, kept)
    blobs = {blob: blob.read_bytes() for blob in (kept / "blobs/sha256").iterdir()}
    for blob in blobs:
        blob.write_bytes(b"half")
    with pytest.raises(ImageError, match="damaged"):
        take_base(reference, AMD64, tmp_path / "out", fetched=kept)
    fetch_image(reference, AMD64, kept)
    assert {blob: blob.read_bytes() for blob in blobs} == blobs


def test_fetching_takes_a_digest(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="'example.com/a:1' must be given by its digest"):
        fetch_image("docker://example.com/a:1", AMD64, tmp_path)


def test_registry_with_a_credential_helper(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = pushed(registry, tmp_path)
    helper = tmp_path / "bin" / "docker-credential-example"
    helper.parent.mkdir()
    helper.write_text(HELPER)
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    (tmp_path / "auth.json").write_text(json.dumps({"credHelpers": {registry: "example"}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    base = take_base(f"{registry}/example@{digest}", AMD64, tmp_path / "out")
    assert base.digest == digest
