"""One file of an image, read by both transports of skopeo."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import irc.cli.image
from irc.oci.archive import write_archive
from irc.oci.base import Platform
from irc.oci.blobs import blob_path
from irc.oci.compression import Compression
from irc.oci.errors import ImageError
from irc.oci.existing import take_base
from irc.oci.image import Image, ImageLayer, write_image, write_layout
from irc.oci.layer import bytes_file, write_layer
from tests.irc.oci.single_image import write_single_image

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
NAMES = ("registry.example:5000/agents/demo:1", "localhost/demo:latest")


def write_one(root: Path, compression: Compression = "gzip") -> Image:
    layers = [
        ImageLayer(
            write_layer(root, [bytes_file(f"etc/{name}", name.encode())], compression), "flow"
        )
        for name in ("first", "second")
    ]
    return write_single_image(root, AMD64, layers, {"User": "1:1"}, {})


def member(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return json.loads(file.read())


def test_the_same_layout_and_names_give_the_same_bytes(tmp_path: Path) -> None:
    write_one(tmp_path / "one")
    write_one(tmp_path / "elsewhere/two")
    write_archive(tmp_path / "one", NAMES, tmp_path / "one.tar", AMD64)
    write_archive(tmp_path / "elsewhere/two", NAMES, tmp_path / "two.tar", AMD64)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert {(item.uid, item.gid, item.mtime, item.mode) for item in tar} == {(0, 0, 0, 0o644)}


def test_both_forms_name_the_same_blobs(tmp_path: Path) -> None:
    image = write_one(tmp_path / "image")
    write_archive(tmp_path / "image", NAMES, tmp_path / "image.tar", AMD64)
    (described,) = member(tmp_path / "image.tar", "manifest.json")
    assert described["RepoTags"] == list(NAMES)
    assert described["Config"] == f"blobs/sha256/{image.config.digest[7:]}"
    layers = [f"blobs/sha256/{item.layer.digest[7:]}" for item in image.layers]
    assert described["Layers"] == layers
    entries = member(tmp_path / "image.tar", "index.json")["manifests"]
    assert [entry["digest"] for entry in entries] == [image.manifest.digest] * 2
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries] == [
        *NAMES
    ]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_reads_both_forms(tmp_path: Path, compression: Compression, transport: str) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("not installed: skopeo")
    image = write_one(tmp_path / "image", compression)
    write_archive(tmp_path / "image", NAMES, tmp_path / "image.tar", AMD64)
    source = f"{transport}:image.tar:{NAMES[0]}"
    command = ["skopeo", "copy", "--quiet", source, "oci:copy:latest"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((tmp_path / "copy/index.json").read_bytes())["manifests"]
    manifest = json.loads(blob_path(tmp_path / "copy", entry["digest"]).read_bytes())
    config = json.loads(blob_path(tmp_path / "copy", manifest["config"]["digest"]).read_bytes())
    assert config["rootfs"]["diff_ids"] == [item.layer.diff_id for item in image.layers]
    if transport == "oci-archive":
        assert entry["digest"] == image.manifest.digest


def test_an_archive_with_two_names_holds_one_image(tmp_path: Path) -> None:
    written = write_one(tmp_path / "image")
    write_archive(tmp_path / "image", NAMES, tmp_path / "image.tar", AMD64)
    base = take_base(
        f"oci-archive:{tmp_path / 'image.tar'}", Platform("linux", "amd64"), tmp_path / "out"
    )
    assert base.digest == written.manifest.digest
    compared = [str(tmp_path / "image"), str(tmp_path / "image.tar")]
    result = CliRunner().invoke(irc.cli.image.image, ["diff", *compared])
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("name", ["demo", "Demo:1", "demo:1:2", "demo@sha256:1", ":1"])
def test_names_that_engines_refuse(tmp_path: Path, name: str) -> None:
    write_one(tmp_path / "image")
    with pytest.raises(ImageError, match="is not the name of an image"):
        write_archive(tmp_path / "image", [name], tmp_path / "image.tar", AMD64)
    assert not (tmp_path / "image.tar").exists()


def test_a_layout_that_lacks_a_blob_leaves_no_archive(tmp_path: Path) -> None:
    image = write_one(tmp_path / "image")
    missing = image.layers[1].layer.digest
    blob_path(tmp_path / "image", missing).unlink()
    with pytest.raises(ImageError, match=f"the blob {missing} is missing"):
        write_archive(tmp_path / "image", NAMES, tmp_path / "out/image.tar", AMD64)
    assert list((tmp_path / "out").iterdir()) == []


def test_several_images_are_none_for_an_engine(tmp_path: Path) -> None:
    write_one(tmp_path / "image")
    index = json.loads((tmp_path / "image/index.json").read_bytes())
    index["manifests"] *= 2
    (tmp_path / "image/index.json").write_text(json.dumps(index))
    with pytest.raises(ImageError, match="holds 2 images, an archive takes one"):
        write_archive(tmp_path / "image", NAMES, tmp_path / "image.tar", AMD64)


def test_the_image_for_a_platform_is_taken_of_an_index(tmp_path: Path) -> None:
    layer = ImageLayer(write_layer(tmp_path / "image", [bytes_file("etc/name", b"")]), "flow")
    images = [
        write_image(tmp_path / "image", platform, [layer], {}, {}) for platform in (AMD64, ARM64)
    ]
    write_layout(tmp_path / "image", images, {})
    write_archive(tmp_path / "image", NAMES, tmp_path / "image.tar", ARM64)
    entries = member(tmp_path / "image.tar", "index.json")["manifests"]
    assert {entry["digest"] for entry in entries} == {images[1].manifest.digest}
    with tarfile.open(tmp_path / "image.tar") as tar:
        assert f"blobs/sha256/{images[0].config.digest[7:]}" not in tar.getnames()
    s390x = Platform("linux", "s390x")
    with pytest.raises(ImageError, match="no image for linux/s390x, only for linux/amd64, linux/a"):
        write_archive(tmp_path / "image", NAMES, tmp_path / "other.tar", s390x)
    assert not (tmp_path / "other.tar").exists()


def test_what_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not an OCI image layout"):
        write_archive(tmp_path, NAMES, tmp_path / "image.tar", AMD64)
