"""Bases taken from images that exist: by digest, checked, for one platform."""

import json
import random
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci.base import Platform
from irc.oci.blobs import blob_path, write_blob
from irc.oci.errors import ImageError
from irc.oci.existing import take_base
from irc.oci.image import Image, ImageLayer
from irc.oci.layer import bytes_file, write_layer
from tests.irc.oci.listing import assert_describes
from tests.irc.oci.single_image import write_single_image

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
SETTINGS = {
    "Env": ["PATH=/usr/bin", "PYTHON_VERSION=3.11.9"],
    "Entrypoint": ["/bin/other"],
    "Labels": {"vendor": "someone"},
}


def write_example(root: Path, platform: Platform = AMD64) -> Image:
    layer = write_layer(root, [bytes_file("etc/name", str(platform).encode())])
    return write_single_image(root, platform, [ImageLayer(layer, "base")], SETTINGS, {})


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


def test_image_without_a_digest_is_refused_with_the_command_that_finds_it(tmp_path: Path) -> None:
    arguments = ["base", "--from", "python:3.11-slim", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert result.output == (
        "Error: the image 'python:3.11-slim' must be given by its digest: "
        "python:3.11-slim@sha256:…; to find it: skopeo inspect --format '{{.Digest}}' "
        "docker://python:3.11-slim\n"
    )


def test_layout_of_one_image_needs_no_digest(tmp_path: Path) -> None:
    digest = write_example(tmp_path / "image").manifest.digest
    base = take_base(f"oci:{tmp_path / 'image'}", AMD64, tmp_path / "out")
    assert base == take_base(f"oci:{tmp_path / 'image'}@{digest}", AMD64, tmp_path / "out")


def test_layout_of_several_images_names_them(tmp_path: Path) -> None:
    root = tmp_path / "image"
    write_example(root)
    first = json.loads((root / "index.json").read_text())["manifests"]
    second = write_example(root, ARM64)
    index = {"schemaVersion": 2, "manifests": [*first, second.manifest.to_oci()]}
    (root / "index.json").write_text(json.dumps(index))
    with pytest.raises(ImageError, match="holds 2 images, name one by digest: sha256:") as error:
        take_base(f"oci:{root}", AMD64, tmp_path / "out")
    assert second.manifest.digest in str(error.value)


def test_interpreters_are_found_in_the_layers(tmp_path: Path) -> None:
    files = ("usr/local/bin/python3.11", "usr/bin/python3.9", "usr/bin/python3", "opt/python3.8")
    layer = write_layer(tmp_path / "image", [bytes_file(file, b"") for file in files])
    write_single_image(tmp_path / "image", AMD64, [ImageLayer(layer, "base")], {}, {})
    base = take_base(f"oci:{tmp_path / 'image'}", AMD64, tmp_path / "out")
    assert (base.python, base.interpreters) == (None, ("3.11", "3.9"))


@pytest.mark.parametrize(
    ("path", "text", "glibc"),
    [
        ("lib/x86_64-linux-gnu/libc.so.6", "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.", "2.36"),
        ("./usr/lib64/libc.so.6", "GNU C Library (GNU libc) stable release version 2.34.", "2.34"),
        ("lib/x86_64-linux-gnu/libc-2.31.so", "GNU C Library (Debian GLIBC 2.31-13) stable release version 2.31.", "2.31"),
        ("lib/ld-musl-x86_64.so.1", "musl libc", None),
        ("usr/share/doc/libc.so.6", "GNU C Library (x) stable release version 2.1.", None),
    ],
)  # fmt: skip
def test_the_c_library_is_found_in_the_layers(
    tmp_path: Path, path: str, text: str, glibc: str | None
) -> None:
    layer = write_layer(tmp_path / "image", [bytes_file(path, f"\0{text}\n".encode())])
    write_single_image(tmp_path / "image", AMD64, [ImageLayer(layer, "base")], {}, {})
    assert take_base(f"oci:{tmp_path / 'image'}", AMD64, tmp_path / "out").glibc == glibc


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm", "linux/arm/v7", True),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_platforms_with_variants(found: str, wanted: str, fits: bool) -> None:
    assert Platform.parse(found).runs_on(Platform.parse(wanted)) is fits


def test_what_is_no_platform_is_refused(tmp_path: Path) -> None:
    arguments = ["base", "--from", "oci:x", "--platform", "amd64", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert "'amd64' is not a platform: <os>/<architecture>" in result.output


def test_archive_of_docker_is_compressed_and_the_same_image(tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("not installed: skopeo")
    written = write_example(tmp_path / "image")
    archive = tmp_path / "image.tar"
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci:{tmp_path / 'image'}", f"docker-archive:{archive}:a:1"],
        check=True,
    )
    base = take_base(f"docker-archive:{archive}", AMD64, tmp_path / "out")
    (layer,) = base.layers
    assert layer == written.layers[0].layer
    assert base.digest is not None
    assert base == take_base(f"{archive}@{base.digest}", AMD64, tmp_path / "out")
    with pytest.raises(ImageError, match=f"holds the image {base.digest}, not sha256:000"):
        take_base(f"{archive}@sha256:{'0' * 64}", AMD64, tmp_path / "out")


def test_archive_of_docker_with_compressed_layers(tmp_path: Path) -> None:
    """As go-containerregistry's tools write it."""
    written = write_example(tmp_path / "image")
    layer = written.layers[0].layer
    folder = tmp_path / "saved"
    folder.mkdir()
    shutil.copy(blob_path(tmp_path / "image", layer.digest), folder / "layer.tar.gz")
    shutil.copy(blob_path(tmp_path / "image", written.config.digest), folder / "config.json")
    images = [{"Config": "config.json", "RepoTags": [], "Layers": ["layer.tar.gz"]}]
    (folder / "manifest.json").write_text(json.dumps(images))
    with tarfile.open(tmp_path / "saved.tar", "w") as archive:
        archive.add(folder, arcname=".")
    base = take_base(f"docker-archive:{tmp_path / 'saved.tar'}", AMD64, tmp_path / "out")
    assert base.layers == (layer,)
    (folder / "layer.tar.gz").write_bytes((folder / "layer.tar.gz").read_bytes()[:-20])
    with tarfile.open(tmp_path / "cut.tar", "w") as archive:
        archive.add(folder, arcname=".")
    with pytest.raises(ImageError, match="damaged: layer.tar.gz"):
        take_base(f"docker-archive:{tmp_path / 'cut.tar'}", AMD64, tmp_path / "out")


def test_the_signal_that_ends_an_agent_is_its_own(tmp_path: Path) -> None:
    layer = write_layer(tmp_path / "image", [bytes_file("etc/name", b"")])
    settings = {"StopSignal": "SIGQUIT", "Volumes": {"/data": {}}}
    write_single_image(tmp_path / "image", AMD64, [ImageLayer(layer, "base")], settings, {})
    base = take_base(f"oci:{tmp_path / 'image'}", AMD64, tmp_path / "out")
    assert base.config == {"Volumes": {"/data": {}}}


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


def test_layer_that_is_not_the_one_of_the_configuration_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "image"
    layer = write_layer(root, [bytes_file("etc/name", b"one")])
    other = write_layer(root, [bytes_file("etc/name", b"other")])
    mixed = replace(layer, diff_id=other.diff_id)
    write_single_image(root, AMD64, [ImageLayer(mixed, "base")], SETTINGS, {})
    with pytest.raises(ImageError, match=f"unpacks to {layer.diff_id}, and its configuration says"):
        take_base(f"oci:{root}", AMD64, tmp_path / "out")
    assert list((tmp_path / "out/blobs/sha256").iterdir()) == []


def test_layer_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    """Its digest is that of what is left: nobody but a reader of the archive can know."""
    root = tmp_path / "image"
    layer = write_layer(root, [bytes_file("etc/name", bytes(100_000))])
    data = blob_path(root, layer.digest).read_bytes()
    short = write_blob(root, layer.media_type, data[: len(data) // 2])
    cut = replace(layer, digest=short.digest, size=short.size)
    write_single_image(root, AMD64, [ImageLayer(cut, "base")], SETTINGS, {})
    with pytest.raises(ImageError, match=f"is damaged: layer {short.digest}"):
        take_base(f"oci:{root}", AMD64, tmp_path / "out")


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_archive_that_is_cut_short_is_noticed(tmp_path: Path, kept: float) -> None:
    root = tmp_path / "image"
    noise = random.Random(1).randbytes(200_000)
    layer = write_layer(root, [bytes_file("noise", noise)])
    write_single_image(root, AMD64, [ImageLayer(layer, "base")], SETTINGS, {})
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.add(root, arcname=".")
    data = (tmp_path / "image.tar").read_bytes()
    (tmp_path / "image.tar").write_bytes(data[: int(len(data) * kept)])
    arguments = ["--from", f"oci-archive:{tmp_path / 'image.tar'}", "--platform", "linux/amd64"]
    output = tmp_path / "out"
    result = CliRunner().invoke(image, ["base", *arguments, "--output-dir", str(output)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {tmp_path / 'image.tar'}: ")
    assert len(result.output.splitlines()) == 1
    assert not (output / "base.json").exists()


def test_documents_of_something_else_are_told_in_a_line(tmp_path: Path) -> None:
    root = tmp_path / "image"
    write_example(root)
    document = write_blob(root, "application/json", b'{"config": 1}')
    with pytest.raises(ImageError, match="its documents are not those of an image"):
        take_base(f"oci:{root}@{document.digest}", AMD64, tmp_path / "out")


def test_folder_that_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an OCI image layout"):
        take_base(f"{tmp_path}@sha256:{'0' * 64}", AMD64, tmp_path / "out")
